"""From one recogniser's templates to another's."""

import numpy as np
import pytest
import torch

from nbnet_lib.attack import translate_templates


def two_views(n=80, seed=0):
    rng = np.random.default_rng(seed)
    code = rng.normal(size=(n, 5))
    mix = np.random.default_rng(9)
    views = [code @ mix.normal(size=(5, d)) + mix.normal(size=d) for d in (9, 7)]
    return [torch.nn.functional.normalize(torch.tensor(v), dim=1).float() for v in views]


def test_a_translation_is_found_for_people_outside_the_fit():
    a, b = two_views()
    found = translate_templates(a[:60], b[:60], a[60:], alpha=1e-3)
    assert found.shape == (20, 7) and found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(20))
    assert (found * b[60:]).sum(1).mean() > 0.9
    assert (found * b[60:].roll(1, 0)).sum(1).mean() < 0.6


def test_arrays_and_tensors_give_the_same():
    a, b = two_views()
    arrays = translate_templates(a.numpy(), b.numpy(), a.numpy()[:3])
    torch.testing.assert_close(arrays, translate_templates(a, b, a[:3]))


@pytest.mark.parametrize(
    ("change", "key_word"),
    [
        (lambda a, b: (a[:5], b, a), "samples"),
        (lambda a, b: (a[:1], b[:1], a), "1 pairs"),
        (lambda a, b: (a, b, b), "7 features"),
        (lambda a, b: (a, b, a * np.nan), "NaN"),
        (lambda a, b: (a, b, a, -1.0), "alpha"),
    ],
)
def test_what_does_not_fit(change, key_word):
    with pytest.raises(ValueError, match=key_word):
        translate_templates(*change(*two_views()))
