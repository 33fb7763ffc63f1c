"""Decoders: from a template back to a picture (chapters 4 to 6).

>>> from nbnet_lib.decoders import create_decoder
>>> decoder = create_decoder("nbnet-b", template_dim=128, image_size=64)
"""

from nbnet_lib.decoders.baselines import fit_decoder
from nbnet_lib.decoders.mxnet_params import load_mxnet_params
from nbnet_lib.decoders.registry import (
    count_parameters,
    create_decoder,
    decoder_names,
    load_decoder,
    require_gradient_training,
    save_decoder,
)

__all__ = [
    "count_parameters",
    "create_decoder",
    "decoder_names",
    "fit_decoder",
    "load_decoder",
    "load_mxnet_params",
    "require_gradient_training",
    "save_decoder",
]
