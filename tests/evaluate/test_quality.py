"""PSNR, SSIM and the perceptual distance are what the docstring says, at any batch."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from nbnet_lib.attack.features import perceptual_features
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.quality import QualityMeter, image_quality
from nbnet_lib.faces import render_set, resize, to_tensor, to_uint8


@pytest.fixture(scope="module")
def faces():
    return render_set(range(5), 2, size=64, progress=False)


@pytest.fixture(scope="module")
def noisy(faces):
    rng = np.random.default_rng(0)
    strength = np.linspace(2, 40, len(faces))[:, None, None, None]
    return (
        (faces.images + strength * rng.normal(size=faces.images.shape))
        .clip(0, 255)
        .astype(np.uint8)
    )


def grey(level, size=32):
    return np.full((1, size, size, 3), level, np.uint8)


def test_psnr_of_known_errors():
    one_level = image_quality(grey(100), grey(101), perceptual=False).psnr[0]
    assert one_level == pytest.approx(20 * np.log10(255))  # 48.13 dB
    half = grey(100)
    half[:, :16] += 10  # half of the pixels wrong by 10 levels
    quality = image_quality(grey(100), half, perceptual=False)
    assert quality.psnr[0] == pytest.approx(10 * np.log10(255**2 / 50))
    assert image_quality(grey(0), grey(255), perceptual=False).psnr[0] == pytest.approx(0, abs=1e-5)


def test_equal_pictures(faces):
    quality = image_quality(faces.images, faces.images)
    assert (quality.psnr == 100).all()
    np.testing.assert_allclose(quality.ssim, 1, atol=1e-5)
    assert (quality.perceptual == 0).all()


@pytest.mark.parametrize(("a", "b"), [(0, 255), (10, 20), (127, 128), (200, 60)])
def test_ssim_of_flat_pictures_compares_their_means(a, b):
    """Closed form; wrong if black were not zero, as in [-1, 1]."""
    x, y, c1 = a / 255, b / 255, 0.01**2
    expected = (2 * x * y + c1) / (x * x + y * y + c1)
    found = image_quality(grey(a), grey(b), perceptual=False).ssim[0]
    assert found == pytest.approx(expected, abs=1e-4)


def test_ssim_equals_an_implementation_with_scipy(faces, noisy):
    found = image_quality(faces.images, noisy, perceptual=False).ssim
    for value, a, b in zip(found, faces.images / 255, noisy / 255, strict=True):

        def window(x):
            sigma = (1.5, 1.5, 0)
            return gaussian_filter(x, sigma, mode="mirror", truncate=3.5)

        mean_a, mean_b = window(a), window(b)
        var_a, var_b = window(a * a) - mean_a**2, window(b * b) - mean_b**2
        both = window(a * b) - mean_a * mean_b
        c1, c2 = 0.01**2, 0.03**2
        ssim = (2 * mean_a * mean_b + c1) * (2 * both + c2)
        ssim /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
        assert value == pytest.approx(ssim.mean(), abs=1e-5)


def test_perceptual_distance_by_hand(faces, noisy):
    found = image_quality(faces.images, noisy).perceptual
    pairs = zip(
        perceptual_features(to_tensor(faces.images)),
        perceptual_features(to_tensor(noisy)),
        strict=True,
    )
    layers = []
    for a, b in pairs:
        a, b = (x.numpy().astype(np.float64) for x in (a, b))
        cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        layers.append((2 - 2 * cosine).mean(axis=(1, 2)))  # of unit vectors
    np.testing.assert_allclose(found, np.mean(layers, axis=0), atol=1e-5)


def test_bytes_and_tensors_agree(faces, noisy):
    a = image_quality(faces.images, noisy)
    b = image_quality(to_tensor(faces.images), to_tensor(noisy))
    for name, values in a.measures.items():
        np.testing.assert_array_equal(values, b.measures[name])


def test_batches_do_not_matter(faces, noisy):
    whole = image_quality(faces.images, noisy, faces.identities, batch=64)
    meter = QualityMeter()
    for rows in (slice(0, 1), slice(1, 4), slice(4, 10)):
        meter.update(faces.images[rows], noisy[rows], faces.identities[rows])
    parts = meter.compute()
    assert len(parts) == 10
    np.testing.assert_array_equal(parts.identities, whole.identities)
    for name, values in whole.measures.items():
        np.testing.assert_allclose(parts.measures[name], values, atol=1e-5)


def test_originals_are_resized_to_the_reconstruction(faces):
    small = resize(to_tensor(faces.images), 48)
    found = image_quality(faces.images, to_uint8(small))
    # What is left is rounding to bytes.
    assert found.psnr.min() > 50 and found.ssim.min() > 0.995


def test_summary_goes_by_identity(faces, noisy):
    quality = image_quality(faces.images, noisy, faces.identities, perceptual=False)
    rows = quality.rows("a")
    alone = image_quality(faces.images, noisy, perceptual=False).rows("a")
    for row, each in zip(rows, alone, strict=True):
        assert row.value == pytest.approx(quality.measures[row.measure].mean())
        assert row.low < row.value < row.high
        # The noise grows along the rows, so both pictures of a person are alike in quality.
        assert row.high - row.low > 1.2 * (each.high - each.low)
    assert quality.rows("a", seed=0) == rows != quality.rows("a", seed=1)
    assert [row.low for row in quality.rows("a", resamples=0)] == [None, None]


@pytest.mark.parametrize(
    ("originals", "reconstructions", "message"),
    [
        (grey(1), np.repeat(grey(1), 2, 0), "1 originals but 2 reconstructions"),
        (grey(1)[:0], grey(1)[:0], "no picture was measured"),
        (grey(1).astype(float), grey(1), "images are float64"),
        (grey(1), to_tensor(grey(1)) * 3, "image values run from"),
        (grey(1), torch.full((1, 3, 32, 32), torch.nan), "images hold NaN"),
        (grey(1), grey(1, 16), "features need 32"),
    ],
)
def test_bad_pictures(originals, reconstructions, message):
    with pytest.raises(NbnetError, match=message):
        image_quality(originals, reconstructions)
