from rig.render.renderer import PreparedView, Renderer, texture_tensor

__all__ = ["PreparedView", "Renderer", "texture_tensor"]
