"""SynthFaces: faces of people who do not exist, drawn from CC0 geometry and formulas."""

from synthfaces.identity import Identity, make_identity
from synthfaces.render import RENDERER_VERSION
from synthfaces.sample import Sample, make_sample

__all__ = ["RENDERER_VERSION", "Identity", "Sample", "make_identity", "make_sample"]
