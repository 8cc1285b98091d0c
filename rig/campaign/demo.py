"""The embedded default: turtle to rifle on EfficientNet-Lite0."""

from rig.attack.settings import attack_settings
from rig.campaign.texture import TextureJob
from rig.scene import load_config

TARGET = "rifle"
MODEL = "efficientnet-lite0"


def demo_job(quick: bool) -> TextureJob:
    """`quick` has fewer steps and views, the same budget and controls; no trade-off over other budgets."""
    scene = load_config("turtle").model_dump(mode="json")
    if quick:
        settings = attack_settings({"target": TARGET, "steps": 120, "validation_views": 24})
        return TextureJob(scene, (MODEL,), settings, views=60, seed=0)
    return TextureJob(scene, (MODEL,), attack_settings({"target": TARGET}), views=200, seed=0, trade_off=(10.0, None))
