"""Checks 15, 16 and 18: the attack against weaker ones, and against controls at the same views."""

import polars as pl

from rig.audit.distance import Distance
from rig.audit.evidence import PIXEL, POSE, SESSION, SWEEP, TEXTURE, Evidence, ids
from rig.audit.finding import Verdict, met, not_applicable, unmet, unsure
from rig.errors import RigError
from rig.metrics.paired import paired

CHANCE = 0.05  # two-sided, of McNemar's exact test
SAME_DISTANCE_FRAC = 0.1  # of the attack's Delta-E
STRENGTH = {"white-box": 2, "evolution": 1, "pixelwise": 1, "random": 0}  # of a pixel search's method
RANDOM, SINGLE, TARGET = "control_random", "control_single_view", "control_target_object"
MADE = (RANDOM, SINGLE)


def order(evidence: Evidence) -> Verdict:
    """No weaker attack may beat a stronger one beyond chance, item by item on the same items."""
    if evidence.unchanged:
        return not_applicable(evidence.unchanged)
    found = _pixel_pairs(evidence) if evidence.job == PIXEL else _texture_pairs(evidence)
    if not found:
        return unsure("not run: the run has no weaker attack of the same budget to compare with")
    violated = [one for one in found if one["k_second"] > one["k_first"]]
    beyond = [one for one in violated if one["p"] < CHANCE]
    for one in (beyond or violated)[:1]:
        counts = f"{one['weaker']} succeeds on {one['k_second']}, {one['stronger']} on {one['k_first']} of {one['n']}"
        said = f"{counts} (p = {one['p']:.2g}, McNemar)"
        return unmet(f"{said}.", compared=found) if beyond else unsure(f"{said}: within chance.", compared=found)
    pairs = ", ".join(dict.fromkeys(f"{one['stronger']} >= {one['weaker']}" for one in found))
    only = sum(one["only_second"] for one in found)
    return met(
        f"{len(found)} comparisons keep the order ({pairs}); {only} items fall to the weaker one alone.", compared=found
    )


def _texture_pairs(evidence: Evidence) -> list[dict]:
    rows = evidence.changed.with_columns(item=pl.col("view"), cluster=pl.col("view"))
    sides = {name: rows.filter(pl.col("artefact") == name) for name in ("adversarial", SINGLE, RANDOM)}
    found = [_pair("adversarial", weaker, sides["adversarial"], sides[weaker]) for weaker in MADE if len(sides[weaker])]
    deep = evidence.deep("one-step")
    return found + ([deep["paired"] | {"stronger": "adversarial", "weaker": "one step"}] if deep else [])


def _pixel_pairs(evidence: Evidence) -> list[dict]:
    item = pl.concat_str("object", "target_label", separator=", ").alias("item")
    own = evidence.attacked.filter(pl.col("model") == pl.col("found_on")).with_columns(item, cluster=pl.col("object"))
    rank = {name: STRENGTH.get(one["method"]) for name, one in evidence.config["searches"].items()}
    found = []
    for (_on, _pixels), rows in own.partition_by("found_on", "pixels", as_dict=True, maintain_order=True).items():
        sides = rows.partition_by("search", as_dict=True, maintain_order=True)
        names = [name for (name,) in sides if rank.get(name) is not None]
        pairs = [(a, b) for a in names for b in names if rank[a] > rank[b]]
        found += [_pair(a, b, sides[a,], sides[b,]) for a, b in pairs]
    return found


def _pair(stronger: str, weaker: str, first: pl.DataFrame, second: pl.DataFrame) -> dict:
    both = first.join(second.select("item", other="fooled"), on="item", how="inner", maintain_order="left")
    figures = paired(both["fooled"], both["other"], both["cluster"].to_list(), 0)
    violating = ids(both.filter(pl.col("other") & ~pl.col("fooled")), "item")
    return {"stronger": stronger, "weaker": weaker} | figures | {"violating": violating}


def baselines(evidence: Evidence) -> Verdict:
    if evidence.job == POSE:
        return _pose_baselines(evidence)
    if evidence.unchanged:
        return not_applicable(evidence.unchanged)
    queries = evidence.run.record.resources.get("queries")
    if not queries:
        return unmet("run.json does not state how many queries were made.", queries=queries)
    if evidence.job == PIXEL:
        return _pixel_baselines(evidence)
    n_random = evidence.changed.filter(pl.col("artefact") == RANDOM).height
    if not n_random:
        return unmet("no random texture was tried: rig attack texture with its controls makes one", queries=queries)
    gradients = evidence.run.record.resources.get("gradients")
    said = f"A random texture was tried on {n_random} views; {queries:,} queries and {gradients or 0:,} gradients are stated"
    if evidence.asks_scores_only:
        return met(f"{said}; the attack itself asks for scores only ({evidence.road}).", queries=queries)
    return unsure(
        f"{said}; no attack by scores alone was tried: rig attack texture --set attack.black_box.method=square.",
        queries=queries,
    )


def _pose_baselines(evidence: Evidence) -> Verdict:
    """Random draws must have had as many queries as the search."""
    named = evidence.stored.filter(pl.col("split") == "search")["view"].str.split("-").list.get(1)
    counts = {name: int((named == name).sum()) for name in named.unique().sort()}
    fewer = min(counts.values(), default=0) < max(counts.values(), default=0)
    if counts.get("random", 0) == 0 or fewer:
        return unmet(f"no random draws at equal queries: {counts}", queries=counts)
    said = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    return met(f"All searches are gradient-free, random draws among them, at equal queries: {said}.", queries=counts)


def _pixel_baselines(evidence: Evidence) -> Verdict:
    methods = {one["method"] for one in evidence.config["searches"].values()}
    own = evidence.attacked.filter(pl.col("model") == pl.col("found_on"))
    unstated = own.filter(pl.col("queries_total").is_null() | (pl.col("queries_total") <= 0))
    if len(unstated):
        return unmet(
            f"{len(unstated)} searches do not state their queries.", unstated=ids(unstated, "artefact", "object")
        )
    missing = [] if "random" in methods else ["random (--search random)"]
    missing += [] if methods & {"evolution", "pixelwise"} else ["gradient-free (--search rig)"]
    if missing:
        return unsure(f"no baseline: {', '.join(missing)}; queries are stated for all {len(own)} searches")
    most = int(own["queries_total"].max())
    return met(
        f"Gradient-free and random searches ran on all images, at most {most:,} queries each.", methods=sorted(methods)
    )


def controls(evidence: Evidence) -> Verdict:
    """Controls at the attack's own views, the random one as far from clean as the attack."""
    if evidence.job == PIXEL:
        return not_applicable("single images have no views; random pixels are check 16")
    attack = evidence.attacked
    if attack.is_empty():
        return not_applicable("nothing but the clean object was evaluated")
    present = [name for name in (*MADE, TARGET) if (evidence.changed["artefact"] == name).any()]
    missing = [name for name in MADE if name not in present]
    if missing and evidence.job in (SWEEP, SESSION):
        return unsure(
            f"{', '.join(missing)} not measured here: give them too, --artefact RUN/artefacts/{missing[0]}",
            present=present,
        )
    if missing and evidence.job == TEXTURE:
        return unmet(f"{', '.join(missing)} is not in the run: attack again with --controls.", present=present)
    if evidence.job != SESSION and (moved := elsewhere(evidence, present)):
        return unmet(f"{moved[0]} was not measured at the attack's views.", at_other_views=moved)
    found = {"present": present}
    if evidence.job == TEXTURE:
        try:
            attacked, random = (evidence.distances[name] for name in ("adversarial", RANDOM))
        except RigError as error:
            return unsure(f"the distance of {RANDOM} cannot be measured here: {error}", **found)
        found["delta_e"] = {"adversarial": attacked.mean, RANDOM: random.mean}
        if attacked.mean == 0:
            return unsure("the attack changed nothing that a view shows, so nothing is a control of it", **found)
        if lacking := nearer(attacked, random):
            return unmet(lacking, **found)
    n_views = attack["view"].n_unique()
    said = f"{', '.join(present) or 'no control'} at the same {n_views} views"
    if "delta_e" in found:
        said += (
            f", the random one {found['delta_e'][RANDOM] / found['delta_e']['adversarial']:.2f} times as far from clean"
        )
    if TARGET not in present:
        return unsure(f"{said}; {TARGET}, a real object of the target class, was not measured.", **found)
    return met(f"{said}.", **found)


def nearer(attacked: Distance, random: Distance) -> str:
    """A control that lies nearer to clean than the attack is none; one that lies farther is the harder to beat."""
    error = 1.96 * (attacked.se**2 + random.se**2) ** 0.5
    if random.mean + error >= (1 - SAME_DISTANCE_FRAC) * attacked.mean:
        return ""
    ratio = random.mean / attacked.mean
    return f"{RANDOM} lies {ratio:.2f} times as far from clean as the attack: it is no control of it."


def elsewhere(evidence: Evidence, names: list[str]) -> list[str]:
    """Controls whose (object, model, view) are not those of the attack."""
    keys = ["object", "model", "view"]
    attack = evidence.attacked.select(keys).unique()
    found = []
    for name in names:
        rows = evidence.changed.filter(pl.col("artefact") == name).select(keys).unique()
        if len(rows.join(attack, on=keys, how="anti")) or len(attack.join(rows, on=keys, how="anti")):
            found.append(name)
    return found
