"""Objects made by code, so that the demo and the tests need no files: name -> function that returns a Mesh."""

from rig.scene.builtin.baseball import baseball
from rig.scene.builtin.turtle import turtle

BUILTINS = {"turtle": turtle, "baseball": baseball}
