"""Protocols: which pictures are compared with which, and where the thresholds come from.

>>> protocol = open_protocol("synthfaces", identities=range(50), samples=4)
>>> for images in protocol.pictures.batches(size=64): ...
"""

from nbnet_lib.evaluate.protocols.blufr import lfw_blufr
from nbnet_lib.evaluate.protocols.color_feret import feret
from nbnet_lib.evaluate.protocols.folder import own_pictures
from nbnet_lib.evaluate.protocols.lfw import lfw_view2
from nbnet_lib.evaluate.protocols.lists import from_csv
from nbnet_lib.evaluate.protocols.opening import NAMES, open_protocol
from nbnet_lib.evaluate.protocols.pictures import Pictures
from nbnet_lib.evaluate.protocols.synthetic import synthfaces
from nbnet_lib.evaluate.protocols.types import Pairs, Protocol, Trial

__all__ = [
    "NAMES",
    "Pairs",
    "Pictures",
    "Protocol",
    "Trial",
    "feret",
    "from_csv",
    "lfw_blufr",
    "lfw_view2",
    "open_protocol",
    "own_pictures",
    "synthfaces",
]
