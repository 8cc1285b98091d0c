"""Numbers and names as a reader should see them. Plain text: whoever puts it into HTML escapes it."""

import re

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
JOINER = "\N{WORD JOINER}"

CONDITIONS = {
    "azimuth_deg": "azimuth (°)",
    "elevation_deg": "elevation (°)",
    "roll_deg": "roll (°)",
    "distance_m": "distance (m)",
    "offset_x_frac": "offset right (fraction)",
    "offset_y_frac": "offset down (fraction)",
    "fov_deg": "field of view (°)",
    "background_brightness": "background brightness",
    "noise_std": "noise (standard deviation)",
    "blur_px": "blur (px)",
    "jpeg_quality": "JPEG quality",
}
AUDIT_MARKS = {"pass": "✓", "fail": "✗", "warn": "!", "not applicable": "–"}
OUTCOMES = {"correct": "●", "fooled": "▲", "other_wrong": "■"}

GLOSSARY = {
    "Accuracy": "Share of views on which the network's first answer is one of the object's true labels.",
    "Adversariality": "Share of views on which the attack reaches its goal: for a targeted attack the first answer is "
    "the target label, for an untargeted one it is any wrong label.",
    "Other wrong": "Share of views on which the first answer is wrong but not the target. "
    "The three shares add up to all views.",
    "Unseen views": "Views drawn for the evaluation from the declared distribution; the attack never saw them.",
    "Clean twin": "The same view, light, background and noise with the original texture.",
    "Clean-correct views": "Only those views on which the clean twin is recognised.",
    "Distribution": "The declared ranges from which every view is drawn: camera position, light, background, sensor.",
    "EOT": "Expectation over transformation: the texture is optimised for its mean success over random views, "
    "not for one picture.",
    "Delta-E (CIE76)": "Distance between two colours in CIE Lab; about 2 is just visible side by side. Here the mean "
    "over the object's pixels between the clean and the painted rendering.",
    "Wilson interval": "95 % confidence interval of one rate when the trials are independent draws.",
    "Cluster bootstrap": "Interval for several objects together: whole objects are redrawn, because views of the same "
    "object resemble each other.",
    "Persistence": "Share of the views of one equal-area cell of the view sphere on which the fooling holds.",
    "Contiguous region": "The largest connected set of cells in which at least half of the views are fooled, "
    "as a share of the area the views are drawn from.",
    "Half-width": "Angle from the centre to the rim of a spherical cap as large as the contiguous region: how far one may "
    "turn away from its middle, were it round.",
    "Transfer": "How often a texture made on one network fools another that took no part in making it.",
    "Near miss, related, far": "How close a wrong answer comes to the truth in a tree of what things are (WordNet): the "
    "same kind of thing, something in between, or nothing in common but being a thing.",
    "All cells at once": "An interval for the most fooled of many cells that allows for its having been chosen for its "
    "rate (Bonferroni).",
    "CVaR 10 %": "Mean over the tenth of cells at the chosen end, so that one lucky cell does not decide.",
    "Controls": "The same measurement with a texture that should not work. If a control works too, "
    "the attack's rate says little.",
}
CONTROLS = {
    "control_random": "A random texture at the same colour distance. It shows how much any repainting of this strength "
    "disturbs the network; whatever it reaches is not the attack's merit.",
    "control_single_view": "The same attack with the same budget on one single view, without EOT. "
    "It shows what optimising over many views adds.",
    "control_target_object": "A real object of the target class at the same views. "
    "It shows how often the network names the target when it is there.",
}


def percent(rate: float | None, digits: int = 1) -> str:
    return "no views" if rate is None else f"{100 * rate:.{digits}f} %"


def interval(figure: dict) -> str:
    """The bounds in percent, without the sign: 85.6–93.9."""
    return f"{100 * figure['low']:.1f}{DASH}{100 * figure['high']:.1f}"


def unbroken(text: str) -> str:
    """Keeps "95 %", "174 of 200", "n = 200" and "85.6–93.9" on one line."""
    text = re.sub(rf"(\d){DASH}(\d)", rf"\1{JOINER}{DASH}{JOINER}\2", text)
    return re.sub(r"\d (?:%|of \d)|\bn = \d", lambda found: found[0].replace(" ", NO_BREAK), text)


def is_weighted(figure: dict) -> bool:
    """Whether its views do not count alike, so that its rate is not k / n (rig.metrics.weights)."""
    return "worth" in figure


def counted(figure: dict) -> str:
    """181 of 200; of weighted views, whose rate is no such share, n = 200."""
    return f"n = {figure['n']}" if is_weighted(figure) else f"{figure['k']} of {figure['n']}"


def of_views(figure: dict, views: str) -> str:
    """181 of 200 unseen views (90.5 %, 95 % CI 85.6–93.9, Wilson)."""
    bounds = f"95 % CI {interval(figure)}, {figure['method']}"
    if is_weighted(figure):
        return f"{percent(figure['rate'])} of views ({bounds}; {figure['n']} {views})"
    return f"{counted(figure)} {views} ({percent(figure['rate'])}, {bounds})"


def sentence_rate(figure: dict) -> str:
    """181 of 200 (90.5 %, 85.6–93.9); of weighted views 90.5 % (85.6–93.9, weighted, n = 200)."""
    if is_weighted(figure):
        return f"{percent(figure['rate'])} ({interval(figure)}, weighted, {counted(figure)})"
    return f"{counted(figure)} ({percent(figure['rate'])}, {interval(figure)})"


def goal(target: str) -> str:
    """What a fooled view is, as a participle."""
    return f"called {target}" if target else "misclassified"


def angle(degrees: float) -> str:
    return f"{degrees:.0f}°".replace("-", MINUS) if round(degrees) else "0°"


def span(bounds) -> str:
    return f"{angle(bounds[0])} to {angle(bounds[1])}"


def number(value: float | None, digits: int = 1) -> str:
    return DASH if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def condition(name: str) -> str:
    return CONDITIONS.get(name, name.replace("_", " "))


def duration(seconds: float | None) -> str:
    if seconds is None:
        return DASH
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
