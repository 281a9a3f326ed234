"""3D human pose from one camera that teaches itself on unlabelled video."""

__version__ = "0.1.0"
