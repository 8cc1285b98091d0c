"""Gradients at inference-engine speed: the backward graph of an ONNX file, derived and run by ONNX Runtime."""

from rig.model.compiled.gradient import CompiledGradient

__all__ = ["CompiledGradient"]
