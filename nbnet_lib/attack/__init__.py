"""The reconstruction attack: train a decoder on (template, picture) pairs, then use it (chapter 9).

>>> from nbnet_lib.attack import TrainConfig, reconstruct, train_decoder

`train_decoder` is the paper's algorithm on pairs that you have; `run_training` is `nbnet train`: it
makes the pairs, too.
"""

from nbnet_lib.attack.losses import create_loss, loss_names, pixel_loss
from nbnet_lib.attack.reconstruct import reconstruct
from nbnet_lib.attack.run import TrainingResult, run_training, training_options
from nbnet_lib.attack.train import learning_rate, train_decoder
from nbnet_lib.attack.translate import translate_templates
from nbnet_lib.settings import TrainConfig, TrainingOptions

__all__ = [
    "TrainConfig",
    "TrainingOptions",
    "TrainingResult",
    "create_loss",
    "learning_rate",
    "loss_names",
    "pixel_loss",
    "reconstruct",
    "run_training",
    "train_decoder",
    "training_options",
    "translate_templates",
]
