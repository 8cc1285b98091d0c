"""Whole jobs: what one command does from a scene file to a report."""

from rig.campaign.pixel import PixelJob, attack_pixels
from rig.campaign.pixel_scene import attack_scene_pixels
from rig.campaign.pixel_scene_job import PixelSceneJob
from rig.campaign.pixel_session import attack_session_pixels
from rig.campaign.pixel_session_job import PixelSessionJob
from rig.campaign.resume import resume
from rig.campaign.session import SessionJob, sweep_camera_sessions
from rig.campaign.sweep import SweepJob, sweep_scenes
from rig.campaign.texture import TextureJob, attack_texture

__all__ = [
    "PixelJob",
    "PixelSceneJob",
    "PixelSessionJob",
    "SessionJob",
    "SweepJob",
    "TextureJob",
    "attack_pixels",
    "attack_scene_pixels",
    "attack_session_pixels",
    "attack_texture",
    "resume",
    "sweep_camera_sessions",
    "sweep_scenes",
]
