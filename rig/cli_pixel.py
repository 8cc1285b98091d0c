"""`rig attack pixel` on a scene's frames and on a camera's: what was asked, as a job."""

from collections.abc import Sequence
from pathlib import Path

from rig.errors import RigError

CROP = "board"


def pixel_scene_job(
    scene: Path, models: Sequence[str], pixels: Sequence[int], searches: Sequence[str], target: str | None,
    max_queries: int | None, limit: int | None, threads: int | None, settings: Sequence[str], seed: int,
):  # fmt: skip
    """Settings of the search and of what follows by their prefix; all others are the scene's."""
    from rig.attack.pixel.settings import search_settings
    from rig.campaign import PixelSceneJob
    from rig.campaign.pixel_scene_settings import ITEMS, MAX_QUERIES, only, persistence_settings
    from rig.scene import load_config

    by_prefix = {prefix: [one for one in settings if one.startswith(prefix)] for prefix in ("search.", "persistence.")}
    of_scene = tuple(one for one in settings if not one.startswith(tuple(by_prefix)))
    return PixelSceneJob(
        scene=load_config(scene, of_scene).model_dump(mode="json"),
        model=only(models, "--model"),
        n_pixels=only(pixels, "--pixels"),
        search=search_settings(
            only(searches, "--search"), {"max_queries": max_queries or MAX_QUERIES}, by_prefix["search."]
        ),
        target=target,
        items=limit or ITEMS,
        persistence=persistence_settings(by_prefix["persistence."]),
        threads=threads,
        seed=seed,
    )


def pixel_session_job(
    session: Path, models: Sequence[str], pixels: Sequence[int], searches: Sequence[str], target: str | None,
    max_queries: int | None, limit: int | None, crop: str | None, threads: int | None, settings: Sequence[str], seed: int,
):  # fmt: skip
    """Settings by their prefix: search. and persistence. are known; the scene is the session's own."""
    from rig.attack.pixel.settings import search_settings
    from rig.campaign import PixelSessionJob
    from rig.campaign.pixel_scene_settings import ITEMS, MAX_QUERIES, only, persistence_settings
    from rig.campaign.pixel_session_job import DotSettings

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
        persistence=persistence_settings(by_prefix["persistence."], DotSettings),
        threads=threads,
        seed=seed,
    )
