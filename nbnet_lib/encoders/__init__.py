"""Encoders: from aligned faces to templates, behind one black-box interface."""

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.encoders.registry import create_encoder, encoder_kinds, encoder_names

__all__ = ["Encoder", "Preprocess", "create_encoder", "encoder_kinds", "encoder_names"]
