"""pyrender's own render of the same scene: the second road that the torch renderer is tested against.

pyrender 0.1.45 (2021) needs a few repairs on today's numpy and headless EGL; they live here only.
One renderer a process (its contexts do not survive fork): start workers with spawn.
"""

import os
from collections.abc import Callable

import numpy as np
from PIL import Image

from rig.contracts import Intrinsics, Mesh, Transform
from rig.errors import RigError
from rig.geometry import GL_FROM_CV


def pyrender_flat(mesh: Mesh, camera: Intrinsics, world_from_camera: Transform, mipmaps: bool = False) -> np.ndarray:
    """(H, W, 4) uint8 of the unlit mesh, alpha 0 where nothing is seen: no MSAA, bilinear or default mipmap filtering.

    The camera's axis must go through the image centre, with square pixels. Raises RigError where OpenGL is missing.
    """
    pyrender = _pyrender()
    filtering = pyrender.GLTF.LINEAR
    sampler = pyrender.Sampler() if mipmaps else pyrender.Sampler(minFilter=filtering, magFilter=filtering)
    texture = pyrender.Texture(source=Image.fromarray(mesh.texture), source_channels="RGB", sampler=sampler)
    material = pyrender.MetallicRoughnessMaterial(baseColorTexture=texture, metallicFactor=0.0, alphaMode="OPAQUE")
    primitive = pyrender.Primitive(
        positions=mesh.vertices_m,
        normals=mesh.normals,
        texcoord_0=mesh.uv,
        indices=mesh.faces,
        material=material,
        mode=4,
    )
    scene = pyrender.Scene(bg_color=[0, 0, 0, 0])
    scene.add(pyrender.Mesh([primitive]))
    fov_rad = 2 * np.arctan(camera.height_px / 2 / camera.fy_px)
    scene.add(pyrender.PerspectiveCamera(yfov=fov_rad, znear=0.05, zfar=100), pose=world_from_camera @ GL_FROM_CV)
    renderer = pyrender.OffscreenRenderer(camera.width_px, camera.height_px)
    try:
        flags = pyrender.RenderFlags.FLAT | pyrender.RenderFlags.RGBA
        return _without_multisampling(lambda: renderer.render(scene, flags=flags)[0])
    finally:
        renderer.delete()


def _pyrender():
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    os.environ.setdefault("PYGLET_HEADLESS", "1")  # else pyglet looks for X11 when pyrender imports its viewer
    if not hasattr(np, "infty"):
        np.inf = np.inf
    try:
        import pyrender
        from pyrender.platforms import egl
    except (ImportError, AttributeError) as error:  # PyOpenGL without a GL library fails on an attribute of None
        raise RigError(
            "pyrender's reference renders need OpenGL",
            got=f"{type(error).__name__}: {error}",
            hint="apt-get install libegl1 libgl1 libgl1-mesa-dri",
        ) from error
    egl.EGLPlatform.delete_context = _delete_context
    return pyrender


def _delete_context(platform) -> None:
    """As pyrender's, but without eglTerminate: the display is shared by every context of the process."""
    from OpenGL.EGL import EGL_NO_CONTEXT, EGL_NO_SURFACE, eglDestroyContext, eglMakeCurrent

    if platform._egl_display is not None and platform._egl_context is not None:
        eglMakeCurrent(platform._egl_display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT)
        eglDestroyContext(platform._egl_display, platform._egl_context)
    platform._egl_context = platform._egl_display = None


def _without_multisampling(render: Callable[[], np.ndarray]) -> np.ndarray:
    """pyrender asks for 4 samples a pixel and offers no switch."""
    import pyrender.renderer as module

    allocate = module.glRenderbufferStorageMultisample
    module.glRenderbufferStorageMultisample = lambda target, _, *rest: allocate(target, 0, *rest)
    try:
        return render()
    finally:
        module.glRenderbufferStorageMultisample = allocate
