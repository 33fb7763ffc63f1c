"""reconstruct: what it returns and what it refuses."""

import pytest
import torch

from nbnet_lib.attack import reconstruct
from nbnet_lib.errors import NbnetError


def test_batches_do_not_matter_and_the_mode_is_put_back(make_decoder, pairs):
    decoder, templates = make_decoder("nbnet-b").train(), pairs[1][:5]
    pictures = reconstruct(decoder, templates, batch_size=2)
    assert decoder.training
    assert pictures.shape == (5, 3, 40, 40) and pictures.dtype == torch.float32
    assert not pictures.requires_grad and pictures.abs().max() <= 1
    torch.testing.assert_close(pictures, reconstruct(decoder, templates), atol=1e-5, rtol=0)
    assert torch.equal(reconstruct(decoder, templates.numpy(), batch_size=2), pictures)


@pytest.mark.parametrize(
    ("templates", "key_word"),
    [
        (torch.tensor([[0.0] * 16, [torch.nan] * 16]), "template 1 holds NaN"),
        (torch.full((2, 16), torch.inf), "template 0 holds .*infinity"),
        (torch.randn(2, 128), r"takes \[N, 16\]"),
        (torch.randn(16), r"takes \[N, 16\]"),
        (torch.empty(0, 16), r"\(0, 16\)"),
    ],
)
def test_wrong_templates(make_decoder, templates, key_word):
    with pytest.raises(NbnetError, match=key_word):
        reconstruct(make_decoder("dcnn"), templates)
