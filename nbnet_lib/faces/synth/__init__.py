"""SynthFaces: faces of people who do not exist, drawn from CC0 geometry and formulas."""

from nbnet_lib.faces.synth.identity import Identity, make_identity
from nbnet_lib.faces.synth.render import RENDERER_VERSION
from nbnet_lib.faces.synth.sample import Sample, make_sample

__all__ = ["RENDERER_VERSION", "Identity", "Sample", "make_identity", "make_sample"]
