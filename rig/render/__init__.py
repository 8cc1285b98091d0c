from rig.render.renderer import PreparedView, Renderer, surface, texture_tensor
from rig.render.texture import MipAtlas

__all__ = ["MipAtlas", "PreparedView", "Renderer", "surface", "texture_tensor"]
