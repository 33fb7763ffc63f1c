"""Small training pairs and networks, and comparing weights, for the tests of the attack."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.decoders import create_decoder


@pytest.fixture(scope="session")
def one_network():
    """Return whether two modules (or state dicts) hold the same values, bit for bit."""

    def same(a, b):
        a, b = (x if isinstance(x, dict) else x.state_dict() for x in (a, b))
        return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)

    return same


def small_pairs(n=40, dim=16, size=40):
    """Pictures of 2 x 2 coloured tiles, which the template determines, and the templates."""
    rng = np.random.default_rng(0)
    templates = F.normalize(torch.from_numpy(rng.normal(size=(n, dim))).float(), dim=1)
    tiles = (127.5 + 250 * templates[:, :12].numpy()).clip(0, 255).astype(np.uint8)
    tiles = tiles.reshape(n, 2, 2, 3).repeat(size // 2, 1).repeat(size // 2, 2)
    return np.ascontiguousarray(tiles), templates


def small_decoder(name="dcnn", seed=0, **options):
    """A decoder of 40 px for templates of length 16; torch's generator stays as it was."""
    if name.startswith("nbnet"):
        options = {"base_channels": 64, "growth": 1, **options}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return create_decoder(name, 16, 40, **{"base_channels": 32, **options})


@pytest.fixture(scope="session")
def pairs():
    return small_pairs()


@pytest.fixture(scope="session")
def make_decoder():
    return small_decoder
