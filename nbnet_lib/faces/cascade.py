"""The parts of MTCNN: its three networks, and the merging of boxes that cover the same place.

The layers are those of the publication; the weights are the files of facenet-pytorch, which
converted the authors'. They are read without importing that package. See `nbnet_lib.faces.detect`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nbnet_lib.errors import NbnetError
from synthfaces.raster import compiled

# File of the weights; side of the pooling after each convolution, 0 for none.
PROPOSING = ("pnet.pt", (2, 0, 0))
REFINING = ("rnet.pt", (3, 3, 0))
PLACING = ("onet.pt", (3, 3, 2, 0))


class Network:
    """Convolutions, then one answer for each place (the first network) or for the whole picture.

    Args:
        weights: the tensors by name: conv1, conv2 ..., prelu1 ..., dense5_1 ...
        pools: see `PROPOSING`.
    """

    def __init__(self, weights: dict[str, Tensor], pools: tuple[int, ...]):
        self.weights, self.pools = weights, pools

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Ask about pictures.

        Args:
            x: float32 [N, 3, H, W] in -1 to 1; H and W are 24 for the second network, 48 for the
                third one and anything from 12 up for the first.

        Returns:
            How to move the box, [N, 4] (left, top, right, bottom, as shares of its sides); the
            third network: then where the points are, [N, 10] (five x, five y, as shares); last the
            probability of a face, [N]. The first network: [N, 4, h, w] and [N, h, w].
        """
        w = self.weights
        for i, pool in enumerate(self.pools, 1):
            x = F.conv2d(x, w[f"conv{i}.weight"], w[f"conv{i}.bias"])
            x = F.prelu(x, w[f"prelu{i}.weight"])
            if pool:
                x = F.max_pool2d(x, pool, 2, ceil_mode=True)
        last = len(self.pools) + 1
        if f"conv{last}_1.weight" in w:
            faces, moves = (
                F.conv2d(x, w[f"conv{last}_{n}.weight"], w[f"conv{last}_{n}.bias"]) for n in (1, 2)
            )
            return moves, faces.softmax(1)[:, 1]
        # As wide, high, channels: the order in which the authors' software lays pictures out.
        x = F.linear(
            x.permute(0, 3, 2, 1).flatten(1), w[f"dense{last}.weight"], w[f"dense{last}.bias"]
        )
        x = F.prelu(x, w[f"prelu{last}.weight"])
        heads = sorted({name.split(".")[0] for name in w if name.startswith(f"dense{last + 1}_")})
        faces, *others = (F.linear(x, w[f"{head}.weight"], w[f"{head}.bias"]) for head in heads)
        return *others, faces.softmax(1)[:, 1]


def load_networks(device: str) -> list[Network]:
    """Load the three networks.

    Raises:
        NbnetError: facenet-pytorch or one of its files is missing or damaged.
    """
    package = find_spec("facenet_pytorch")
    if package is None or not package.submodule_search_locations:
        raise NbnetError(
            "the face detector needs the weights that come with facenet-pytorch: "
            'pip install "facenet-pytorch>=2.5.3,!=2.6.*"'
        )
    networks = []
    for name, pools in (PROPOSING, REFINING, PLACING):
        path = Path(package.submodule_search_locations[0]) / "data" / name
        try:
            weights = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:  # what torch raises of damaged files has many types
            raise NbnetError(
                f"{path} cannot be read ({str(error).splitlines()[0]}): install facenet-pytorch "
                "again"
            ) from error
        networks.append(Network(weights, pools))
    return networks


@compiled
def merge(boxes, scores, overlap, of_smaller):
    """Return the rows of boxes to keep, best first: none covers a better one too much.

    Args:
        boxes: float32 [n, 4], left, top, right, bottom.
        scores: float32 [n].
        overlap: how much of a better box is too much: intersection over union, or,
        of_smaller: over the smaller one of the two (a box inside a better one goes too), with both
            edge pixels counted, as the authors do in the last step.
    """
    edge = 1 if of_smaller else 0
    order = np.argsort(-scores, kind="mergesort")
    kept = np.empty(len(order), np.int64)
    n = 0
    for i in order:
        area = (boxes[i, 2] - boxes[i, 0] + edge) * (boxes[i, 3] - boxes[i, 1] + edge)
        free = True
        for k in kept[:n]:
            wide = min(boxes[i, 2], boxes[k, 2]) - max(boxes[i, 0], boxes[k, 0]) + edge
            high = min(boxes[i, 3], boxes[k, 3]) - max(boxes[i, 1], boxes[k, 1]) + edge
            if wide <= 0 or high <= 0:
                continue
            other = (boxes[k, 2] - boxes[k, 0] + edge) * (boxes[k, 3] - boxes[k, 1] + edge)
            whole = min(area, other) if of_smaller else area + other - wide * high
            if wide * high > overlap * whole:
                free = False
                break
        if free:
            kept[n] = i
            n += 1
    return kept[:n]
