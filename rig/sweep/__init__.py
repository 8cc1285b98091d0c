from rig.sweep.sweep import Case, frame_size, sweep

__all__ = ["Case", "frame_size", "sweep"]
