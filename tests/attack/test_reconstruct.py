"""reconstruct: what it returns and what it refuses."""

import numpy as np
import pytest
import torch

from nbnet_lib.attack import reconstruct
from nbnet_lib.attack.data import Pairs
from nbnet_lib.errors import NbnetError, NbnetWarning


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
        (torch.tensor([[0.5] * 16, [torch.nan] * 16]), "row 1 holds NaN"),
        (torch.full((2, 16), torch.inf), "row 0 holds .*infinity"),
        (torch.eye(3, 16) - torch.eye(16)[2], "row 2 is all zeros"),
        (np.ones((2, 16), bool), "bool"),
        (torch.randn(2, 128), r"takes \[N, 16\]"),
        (torch.randn(16), r"takes \[N, 16\]"),
        (torch.empty(0, 16), r"\(0, 16\)"),
    ],
)
def test_wrong_templates(make_decoder, templates, key_word):
    with pytest.raises(NbnetError, match=key_word):
        reconstruct(make_decoder("dcnn"), templates)


@pytest.mark.parametrize(
    "given",
    [
        lambda x: 20 * x,  # as ArcFace's are before they are normalised
        lambda x: (20 * x).bfloat16(),
        lambda x: (1000 * x).numpy().astype(">i2"),
        lambda x: (100 * x).numpy().astype(np.longdouble)[:, ::-1][:, ::-1],
        lambda x: (100 * x).round().numpy().astype(np.int8),
    ],
)
def test_templates_of_any_length_and_type_are_brought_to_unit_length(make_decoder, pairs, given):
    decoder, (images, templates) = make_decoder("nbnet-b"), pairs
    with pytest.warns(NbnetWarning, match="5 of 5 templates were not of unit length"):
        pictures = reconstruct(decoder, given(templates[:5]))
    assert (pictures - reconstruct(decoder, templates[:5])).abs().mean() < 5e-3
    with pytest.warns(NbnetWarning, match="not of unit length"):
        learnt = Pairs(images, given(templates), None).templates
    torch.testing.assert_close(learnt, templates, atol=1e-2, rtol=0)


def test_templates_of_unit_length_stay_as_they_are(make_decoder, pairs, recwarn):
    half = pairs[1].half()
    assert torch.equal(Pairs(*pairs[:1], half, None).templates, half.float())
    assert not [w for w in recwarn if issubclass(w.category, NbnetWarning)]
