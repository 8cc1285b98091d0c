"""Stickers on objects, through the texture."""

from rig.scene.sticker.outline import outline_of
from rig.scene.sticker.settings import StickerSettings
from rig.scene.sticker.sticker import Sticker, mm_per_m_of, stick, stick_all

__all__ = ["Sticker", "StickerSettings", "mm_per_m_of", "outline_of", "stick", "stick_all"]
