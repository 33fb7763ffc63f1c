"""The reconstruction attack: train a decoder on (template, picture) pairs, then use it (chapter 9).

>>> from nbnet_lib.attack import TrainConfig, reconstruct, train_decoder
"""

from nbnet_lib.attack.config import TrainConfig, learning_rate
from nbnet_lib.attack.losses import create_loss, loss_names, pixel_loss
from nbnet_lib.attack.reconstruct import reconstruct
from nbnet_lib.attack.train import train_decoder
from nbnet_lib.attack.translate import translate_templates

__all__ = [
    "TrainConfig",
    "create_loss",
    "learning_rate",
    "loss_names",
    "pixel_loss",
    "reconstruct",
    "train_decoder",
    "translate_templates",
]
