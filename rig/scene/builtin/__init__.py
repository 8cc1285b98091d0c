"""Objects made by code, so that the demo and the tests need no files: name -> function that returns a Mesh."""

import copy
from functools import lru_cache

from rig.contracts import Mesh
from rig.scene.builtin.baseball import baseball
from rig.scene.builtin.card import card
from rig.scene.builtin.turtle import turtle

BUILTINS = {"turtle": turtle, "baseball": baseball, "card": card}


def builtin_mesh(name: str) -> Mesh:
    """Made once a process; arrays of one's own, so that nobody paints another's."""
    return copy.deepcopy(_made(name))


@lru_cache
def _made(name: str) -> Mesh:
    return BUILTINS[name]()
