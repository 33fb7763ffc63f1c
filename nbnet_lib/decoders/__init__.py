"""Decoders: from a template back to a picture (chapter 3).

>>> from nbnet_lib.decoders import create_decoder
>>> decoder = create_decoder("nbnet-b", template_dim=128, image_size=64)
"""

from nbnet_lib.decoders.registry import (
    count_parameters,
    create_decoder,
    decoder_names,
    load_decoder,
    save_decoder,
)

__all__ = ["count_parameters", "create_decoder", "decoder_names", "load_decoder", "save_decoder"]
