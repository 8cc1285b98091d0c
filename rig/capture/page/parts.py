"""Pieces of the page as HTML; whatever is not ours is escaped."""

from html import escape

from rig.capture.page import sphere
from rig.capture.station import Station
from rig.capture.verdicts import Prediction

OUTCOMES = {
    "correct": ("right", "called what it is"),
    "target": ("fooled", "called the target"),
    "other_wrong": ("wrong", "called something else"),
    "": ("unknown", "no labels to compare with: give --scene"),
}


def state(station: Station) -> str:
    now = station.state
    return (
        f'<div class="state {now.level}" role="status"><strong>{escape(now.title)}</strong>'
        f"<span>{escape(now.words)}</span></div>"
    )


def count(station: Station) -> str:
    frames = "frame" if station.n_kept == 1 else "frames"
    said = escape(station.last) if station.last else "nothing taken yet" if not station.n_kept else ""
    return f'<p class="count"><b>{station.n_kept}</b> {frames} in this pass <span class="soft">{said}</span></p>'


def predictions(station: Station) -> str:
    if not station.watch.judges:
        return '<p class="soft">No model: start with --model FILE.onnx</p>'
    if station.watch.failed:
        return f'<p class="soft">{escape(station.watch.failed)}</p>'
    found = station.watch.latest if station.now is not None else ()
    return "".join(map(_prediction, found)) if found else '<p class="soft">waiting for a frame</p>'


def _prediction(found: Prediction) -> str:
    kind, words = OUTCOMES[found.outcome]
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td class="bar"><i style="width:{100 * prob:.1f}%"></i></td>'
        f"<td>{100 * prob:.0f} %</td></tr>"
        for label, prob in found.top
    )
    return (
        f'<section class="model {kind}"><h3>{escape(found.model)} <span class="badge" title="{words}">{kind}</span></h3>'
        f'<table>{rows}</table><p class="soft small">{escape(found.region)}</p></section>'
    )


def view_sphere(station: Station) -> str:
    state = sphere_state(station)
    rows = (
        [("taken", "taken"), ("right", "right"), ("fooled", f"{station.watch.fooled_word} ×")]
        if station.watch.judges
        else [("taken", "taken")]
    )
    legend = "".join(f'<span><i class="swatch {kind}"></i>{words}</span>' for kind, words in rows)
    return f'{sphere.draw(station.grid, state)}<p class="legend">{legend}<span><i class="swatch here"></i>camera now</span></p>'


def sphere_state(station: Station) -> sphere.SphereState:
    judged = dict(station.watch.judged)
    angles = None if station.now is None else station.now.angles
    cells = station.covered.items()
    return sphere.SphereState(
        covered=tuple(cell for cell, _ in cells),
        judged=tuple(cell for cell, frames in cells if any(frame in judged for frame in frames)),
        fooled=tuple(cell for cell, frames in cells if any(judged.get(frame, False) for frame in frames)),
        place=None if angles is None else (round(angles.azimuth_deg), round(angles.elevation_deg)),
    )


def covered_words(station: Station) -> str:
    n = len(station.covered)
    fooled = len(sphere_state(station).fooled)
    found = f"{n} {'cell' if n == 1 else 'cells'} of {station.grid.step_deg:g}°"
    return f"{found}, {fooled} {station.watch.fooled_word}" if station.watch.judges else found


def figures(station: Station) -> str:
    """The frame in numbers; a dash where there is none."""
    sight = station.now
    if sight is None:
        return '<p class="soft">no picture to measure</p>'
    seen, pose, angles = sight.seen, sight.pose, sight.angles
    most = len(station.observer.board.corners_m)
    rows = [
        ("Corners", "–" if seen is None else f"{len(seen.ids)} of {most}"),
        ("Reprojection", "–" if pose is None else f"{pose.rms_px:.2f} px"),
        ("Azimuth", "–" if angles is None else f"{round(angles.azimuth_deg)}°"),
        ("Elevation", "–" if angles is None else f"{round(angles.elevation_deg)}°"),
        ("Distance", "–" if angles is None else f"{100 * angles.distance_m:.1f} cm"),
        ("Blur", "–" if sight.blur_px is None else f"{sight.blur_px:.1f} px"),
        ("Brightness", f"{100 * sight.exposure.mean_frac:.0f} %"),
        ("Overexposed", f"{100 * sight.exposure.over_frac:.1f} %"),
        ("Rate", f"{station.fps:.0f} a second"),
    ]
    return f'<dl class="figures">{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)}</dl>'
