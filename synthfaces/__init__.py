"""SynthFaces: faces of people who do not exist, drawn from CC0 geometry and formulas.

    from synthfaces import render
    picture = render(identity=3, sample=0, size=128)  # uint8 [128, 128, 3]

A picture is a pure function of whole numbers. `synthfaces.tables` lists what it was drawn from.
"""

from synthfaces.checks import SynthFacesError
from synthfaces.drawing import RENDERER_VERSION
from synthfaces.identity import Identity, make_identity
from synthfaces.people import Recipe
from synthfaces.sample import Sample, make_sample
from synthfaces.truth import MASKS, Truth, parameters_of, render, render_truth

__all__ = [
    "MASKS",
    "RENDERER_VERSION",
    "Identity",
    "Recipe",
    "Sample",
    "SynthFacesError",
    "Truth",
    "make_identity",
    "make_sample",
    "parameters_of",
    "render",
    "render_truth",
]
