"""`rig resume`: the job that run.json describes, from where it stopped."""

from pathlib import Path

from rig.attack.pixel.settings import SearchSettings
from rig.attack.settings import AttackSettings
from rig.campaign.eot_study import JOB as EOT_STUDY_JOB
from rig.campaign.eot_study import EotStudyJob, study_eot
from rig.campaign.patch import attack_patch
from rig.campaign.patch_job import PatchJob
from rig.campaign.pixel import PixelJob, attack_pixels
from rig.campaign.pixel_scene import attack_scene_pixels
from rig.campaign.pixel_scene_job import PixelSceneJob
from rig.campaign.pixel_scene_settings import PersistenceSettings
from rig.campaign.pixel_session import attack_session_pixels
from rig.campaign.pixel_session_job import DotSettings, PixelSessionJob
from rig.campaign.pose import attack_pose
from rig.campaign.pose_job import PoseJob
from rig.campaign.refine import Precision
from rig.campaign.session import SessionJob, sweep_camera_sessions
from rig.campaign.sweep import SweepJob, sweep_scenes
from rig.campaign.texture import TextureJob, attack_texture
from rig.errors import RunError
from rig.metrics.patch import PATCH_JOB
from rig.metrics.pose import POSE_JOB
from rig.report.write import PIXEL_SCENE_JOB, PIXEL_SESSION_JOB, SESSION_JOB
from rig.runs import Progress, RunFolder
from rig.scene.sticker import StickerSettings
from rig.settings import validated


def resume(path: Path, progress: Progress) -> RunFolder:
    run = RunFolder.open(path)
    config, command, seed = run.state["config"], run.state["command"], run.state["seed"]
    try:
        if config["job"] == "attack texture":
            return attack_texture(_texture_job(config, seed, path), path, command, progress)
        if config["job"] == "attack pixel":
            return attack_pixels(_pixel_job(config, seed, path), path, command, progress)
        if config["job"] == PATCH_JOB:
            return attack_patch(_patch_job(config, seed, path), path, command, progress)
        if config["job"] == PIXEL_SCENE_JOB:
            return attack_scene_pixels(_pixel_scene_job(config, seed, path), path, command, progress)
        if config["job"] == PIXEL_SESSION_JOB:
            return attack_session_pixels(_pixel_session_job(config, seed, path), path, command, progress)
        if config["job"] == POSE_JOB:
            return attack_pose(_pose_job(config, seed), path, command, progress)
        if config["job"] == SESSION_JOB:
            return sweep_camera_sessions(_session_job(config, seed), path, command, progress)
        if config["job"] == EOT_STUDY_JOB:
            return study_eot(_eot_study_job(config, seed, path), path, command, progress)
        if config["job"] == "sweep":
            return sweep_scenes(_sweep_job(config, seed), path, command, progress)
    except KeyError as error:
        raise RunError(
            f"run.json lacks {error}", where=path, hint="was it written by another version of rig?"
        ) from error
    raise RunError("cannot resume this kind of run", where=path, got=config["job"])


def _texture_job(config: dict, seed: int, path: Path) -> TextureJob:
    (scene,) = config["scenes"].values()
    settings = validated(AttackSettings, config["attack"], f"{path}/run.json [attack]")
    views, trade_off = config["sweep"]["views"], tuple(config["trade_off"])
    return TextureJob(scene, tuple(config["models"]), settings, views, seed, trade_off, config["controls"])


def _patch_job(config: dict, seed: int, path: Path) -> PatchJob:
    return PatchJob(
        scenes=tuple(config["scenes"].values()),
        models=tuple(config["models"]),
        sticker=validated(StickerSettings, config["sticker"], f"{path}/run.json [sticker]"),
        attack=validated(AttackSettings, config["attack"], f"{path}/run.json [attack]"),
        views=config["sweep"]["views"],
        seed=seed,
        controls=config["controls"],
        target_picture=config["target_picture"],
    )


def _pixel_job(config: dict, seed: int, path: Path) -> PixelJob:
    where = f"{path}/run.json [searches]"
    return PixelJob(
        images=config["images"],
        models=tuple(config["models"]),
        pixels=tuple(config["pixels"]),
        searches={name: validated(SearchSettings, one, where) for name, one in config["searches"].items()},
        seed=seed,
        **{name: config[name] for name in ("target", "any_target", "limit", "skip_bad", "resize", "threads")},
    )


def _pixel_scene_job(config: dict, seed: int, path: Path) -> PixelSceneJob:
    (scene,) = config["scenes"].values()
    return PixelSceneJob(
        scene=scene,
        model=config["models"][0],
        n_pixels=config["pixels"][0],
        search=validated(SearchSettings, config["search"], f"{path}/run.json [search]"),
        persistence=validated(PersistenceSettings, config["persistence"], f"{path}/run.json [persistence]"),
        seed=seed,
        **{name: config[name] for name in ("target", "items", "threads")},
    )


def _pixel_session_job(config: dict, seed: int, path: Path) -> PixelSessionJob:
    return PixelSessionJob(
        model=config["models"][0],
        n_pixels=config["pixels"][0],
        search=validated(SearchSettings, config["search"], f"{path}/run.json [search]"),
        persistence=validated(DotSettings, config["persistence"], f"{path}/run.json [persistence]"),
        seed=seed,
        **{name: config[name] for name in ("session", "target", "items", "crop", "threads")},
    )


def _pose_job(config: dict, seed: int) -> PoseJob:
    (scene,) = config["scenes"].values()
    names = ("target", "search", "max_queries", "runs", "regions", "around", "threads")
    asked = {name: config[name] for name in names}
    return PoseJob(
        scene, config["models"][0], over=tuple(config["over"]), views=config["sweep"]["views"], seed=seed, **asked
    )


def _sweep_job(config: dict, seed: int) -> SweepJob:
    asked = config["sweep"]
    return SweepJob(
        scenes=tuple(config["scenes"].values()),
        models=tuple(config["models"]),
        artefacts=tuple(config["artefacts"]),
        target=config["target"],
        views=asked["views"],
        policy=asked["policy"],
        texture_px=asked["texture_px"],
        seed=seed,
        corruptions=tuple(config.get("corruptions", ())),
        precision=Precision(asked["refine"], asked["max_views"]) if "refine" in asked else None,
    )


def _session_job(config: dict, seed: int) -> SessionJob:
    lists = {name: tuple(config[name]) for name in ("sessions", "models", "artefacts", "crops")}
    return SessionJob(**lists, seed=seed, **{name: config[name] for name in ("target", "twins", "texture_px")})


def _eot_study_job(config: dict, seed: int, path: Path) -> EotStudyJob:
    return EotStudyJob(
        scenes=tuple(config["scenes"].values()),
        models=tuple(config["models"]),
        transfer=tuple(config["transfer"]),
        attack=validated(AttackSettings, config["attack"], f"{path}/run.json [attack]"),
        views=config["sweep"]["views"],
        seed=seed,
        **{name: config[name] for name in ("named", "n_targets", "controls")},
    )
