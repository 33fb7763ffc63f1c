"""reconstruct: what it returns and what it refuses."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.attack import reconstruct
from nbnet_lib.decoders import create_decoder
from nbnet_lib.errors import NbnetError


@pytest.fixture(scope="module")
def decoder():
    torch.manual_seed(0)
    return create_decoder("nbnet-b", 16, 40, base_channels=64, growth=2)


def templates(n):
    return F.normalize(torch.randn(n, 16, generator=torch.Generator().manual_seed(0)), dim=1)


def test_batches_do_not_matter_and_the_mode_is_put_back(decoder):
    decoder.train()
    pictures = reconstruct(decoder, templates(5), batch_size=2)
    assert decoder.training
    assert pictures.shape == (5, 3, 40, 40) and pictures.dtype == torch.float32
    assert not pictures.requires_grad and pictures.abs().max() <= 1
    torch.testing.assert_close(pictures, reconstruct(decoder, templates(5)), atol=1e-5, rtol=0)


def test_numpy_templates(decoder):
    assert torch.equal(
        reconstruct(decoder, templates(2).numpy()), reconstruct(decoder, templates(2))
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_a_number(decoder, value):
    bad = templates(4)
    bad[2, 3] = value
    with pytest.raises(NbnetError, match="template 2 holds NaN or infinity"):
        reconstruct(decoder, bad)


def test_wrong_shapes(decoder):
    with pytest.raises(NbnetError, match=r"takes \[N, 16\]"):
        reconstruct(decoder, torch.randn(2, 128))
    with pytest.raises(NbnetError, match=r"takes \[N, 16\]"):
        reconstruct(decoder, torch.randn(16))
    with pytest.raises(NbnetError, match="0 templates"):
        reconstruct(decoder, torch.empty(0, 16))
    with pytest.raises(NbnetError, match="batch_size"):
        reconstruct(decoder, templates(2), batch_size=0)
