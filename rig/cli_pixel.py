"""`rig attack pixel` on frames that a camera took: parse, one job."""

from collections.abc import Sequence
from pathlib import Path

from rig.errors import RigError

CROP = "board"


def pixel_session_job(
    session: Path, models: Sequence[str], pixels: Sequence[int], searches: Sequence[str], target: str | None,
    max_queries: int | None, limit: int | None, crop: str | None, threads: int | None, settings: Sequence[str], seed: int,
):  # fmt: skip
    """Settings by their prefix: search. and persistence. are known; the scene is the session's own."""
    from rig.attack.pixel.settings import search_settings
    from rig.campaign import PixelSessionJob
    from rig.campaign.pixel_scene_settings import ITEMS, MAX_QUERIES, only
    from rig.campaign.pixel_session_job import dot_settings

    by_prefix = {prefix: [one for one in settings if one.startswith(prefix)] for prefix in ("search.", "persistence.")}
    strange = [one for one in settings if not one.startswith(tuple(by_prefix))]
    if strange:
        expected = "search.key=value or persistence.dots_px=[1,3]; the scene is the one that was captured"
        raise RigError("not a setting of a session's pixel attack", where="--set", got=strange[0], expected=expected)
    return PixelSessionJob(
        session=str(session.absolute()),
        model=only(models, "--model", "session"),
        n_pixels=only(pixels, "--pixels", "session"),
        search=search_settings(
            only(searches, "--search", "session"), {"max_queries": max_queries or MAX_QUERIES}, by_prefix["search."]
        ),
        target=target,
        items=limit or ITEMS,
        crop=crop or CROP,
        persistence=dot_settings(by_prefix["persistence."]),
        threads=threads,
        seed=seed,
    )
