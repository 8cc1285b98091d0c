"""What the first screen of a pixel attack's page says: sentences, key figures, and what is wrong with the run."""

from rig.metrics.load import Run
from rig.report.words import interval, percent, sentence_rate


def aim(metrics: dict) -> str:
    if metrics["any_target"]:
        return "called at least one wrong label that was aimed at"
    return f"called {metrics['target']}" if metrics["target"] is not None else "misclassified"


def pixels(n: int) -> str:
    return "1 pixel" if n == 1 else f"{n} pixels"


def queries(n: float | None) -> str:
    return "–" if n is None else f"{n:,.0f}"


def steps_of(metrics: dict, found_on: str, search: str) -> list[dict]:
    return [step for step in metrics["steps"] if (step["found_on"], step["search"]) == (found_on, search)]


def names(metrics: dict) -> tuple[list[str], list[str]]:
    """Networks and searches, each in the order asked for."""
    return tuple(list(dict.fromkeys(step[name] for step in metrics["steps"])) for name in ("found_on", "search"))


def sentences(metrics: dict) -> list[str]:
    """One for each network, then what the baselines reach and what carries over."""
    networks, searches = names(metrics)
    said = [_of_network(metrics, network, searches[0]) for network in networks]
    if len(searches) > 1:
        said += [_of_baselines(metrics, network, searches) for network in networks]
    most = max(step["pixels"] for step in metrics["steps"])
    for row in metrics["fool_all"]:
        if len(networks) > 1 and (row["search"], row["pixels"]) == (searches[0], most):
            said.append(
                f"Of the images attacked on every one of the {len(networks)} networks, {sentence_rate(row['each'])} are fooled "
                f"everywhere with up to {pixels(most)}, {row['one_change']['k']} of them by one and the same change."
            )
    return said


def _of_network(metrics: dict, network: str, search: str) -> str:
    rates = [
        f"{pixels(step['pixels'])}: {step['success']['k']} of {step['success']['n']} "
        f"({percent(step['success']['rate'])}, {interval(step['success'])})"
        for step in steps_of(metrics, network, search)
    ]
    return (
        f"{network}: images {aim(metrics)} after changing {'; '.join(rates)}. Search {search}, 95 % Wilson intervals."
    )


def _of_baselines(metrics: dict, network: str, searches: list[str]) -> str:
    rates = [
        f"{search} {', '.join(percent(step['success']['rate'], 0) for step in steps_of(metrics, network, search))}"
        for search in searches[1:]
    ]
    at = ", ".join(str(step["pixels"]) for step in steps_of(metrics, network, searches[0]))
    return f"The same images of {network} by other searches, with {at} pixels: {'; '.join(rates)}."


def cards(metrics: dict) -> list[dict]:
    """The main search on each network at each K."""
    networks, searches = names(metrics)
    return [
        {
            "title": f"{network}, {pixels(step['pixels'])}",
            "value": percent(step["success"]["rate"]),
            "bar": step["success"],
            "color": "fooled",
            "note": f"{step['success']['k']} of {step['success']['n']} images · {interval(step['success'])}"
            + (
                f" · half of them within {queries(step['success_query_median'])} queries"
                if step["success"]["k"]
                else ""
            ),
        }
        for network in networks
        for step in steps_of(metrics, network, searches[0])
    ]


def notices(run: Run, metrics: dict) -> list[dict]:
    """What the reader must know before the figures."""
    errors = [f"The files and the trials disagree. {text}." for text in metrics["mismatches"]]
    errors += [
        f"The model {model.name} changed while the run was under way: its hash before and after differ."
        for model in run.record.models
        if model.sha256_before and model.sha256_after and model.sha256_before != model.sha256_after
    ]
    warnings = []
    if run.record.status != "done":
        warnings.append(f"This run is not finished. The figures cover the {metrics['n_trials']} trials stored so far.")
    if len(names(metrics)[1]) == 1:
        warnings.append(
            "This run has no baseline: add --search random or --search white-box to see what a search adds."
        )
    skipped = getattr(run.record, "skipped", [])
    if skipped:
        warnings.append(f"{len(skipped)} corrupt files were left out: {'; '.join(skipped[:5])}.")
    return [{"level": "error", "text": text} for text in errors] + [
        {"level": "warning", "text": text} for text in warnings
    ]


GLOSSARY = {
    "Success": "The network's first answer, read from the saved 8-bit file, is none of the image's true labels; with a "
    "target, it is the target and nothing else. Only images that it gets right unchanged are attacked.",
    "Pixels (K)": "How many pixels a search may set to any colour. L0, what really differs, is counted from the files.",
    "Queries": "Images that the network was asked about for one attacked image, gradients included. A search with more "
    "pixels is asked only where fewer failed; its queries are counted on top of theirs.",
    "su2019": "The published one-pixel attack: differential evolution, 400 candidates a generation, rand/1, F = 0.5, no "
    "crossover, at most 100 generations. Su, Vargas, Sakurai, IEEE TEVC 2019.",
    "rig": "rig's own search: single pixels evenly over the image, then the best varied one pixel at a time. Scores only.",
    "random": "Places and colours at random, at the same number of queries. A search that is not above it adds nothing.",
    "white-box": "Places and colours in the order of their first-order effect by the network's gradient.",
    "exhaustive": "Every place with the colours of a lattice: what a single pixel can do at all.",
    "Transfer": "A change found on one network, tried on another that gets the clean image right.",
    "Wilson interval": "95 % confidence interval of one rate when the trials are independent draws.",
    "McNemar": "Exact test on the images that only one of two attacks fools: are there as many of either kind?",
    "Paired interval": "95 % interval of a difference, the same images redrawn for both.",
    "Near miss, far": "Where the wrong label stands in a tree of things: close to the true one (cat for dog), or sharing "
    "no more with it than being a thing.",
}
