"""The camera: exposure, tone, blur, noise and compression."""

import dataclasses

import numpy as np
import pytest

from nbnet_lib.faces import make_sample
from synthfaces.background import background, foreground
from synthfaces.develop import develop, gaussian_blur

CLEAN = {
    "exposure": 1.0, "white_balance": np.ones(3), "vignette": 0.0, "gamma": 1.0, "contrast": 1.0,
    "saturation": 1.0, "defocus": 0.0, "motion_blur": 0.0, "noise": 0.0, "jpeg_quality": 0,
}  # fmt: skip


@pytest.fixture
def clean():
    return dataclasses.replace(make_sample(0, 0), **CLEAN)


def _flat(value: float) -> np.ndarray:
    return np.full((64, 64, 3), value, np.float32)


def test_middle_grey_is_the_srgb_code(clean):
    """IEC 61966-2-1: 18 % light is code 118 (117.6)."""
    assert np.unique(develop(_flat(0.18), clean)).tolist() == [118]


def test_more_light_is_brighter_and_never_wraps(clean):
    codes = [int(develop(_flat(v), clean)[0, 0, 0]) for v in (0, 0.1, 0.4, 0.8, 2.0, 50.0)]
    assert codes == sorted(codes) and codes[0] == 0 and codes[3] < 250 and codes[-1] <= 255


def test_blur_keeps_the_light():
    spot = np.zeros((65, 65, 3), np.float32)
    spot[32, 32] = 100
    blurred = gaussian_blur(spot, 2.5)
    assert blurred.sum() == pytest.approx(300, rel=1e-4)
    assert np.allclose(blurred, blurred[::-1]) and np.allclose(blurred, blurred.swapaxes(0, 1))
    rows = (blurred[..., 0].sum(1) * (np.arange(65) - 32) ** 2).sum() / 100
    assert rows == pytest.approx(2.5**2, rel=0.05)


def test_motion_blur_smears_along_its_angle(clean):
    edge = _flat(0.02)
    edge[:, 32:] = 0.5
    across = develop(edge, dataclasses.replace(clean, motion_blur=8.0, motion_angle=0.0))
    along = develop(edge, dataclasses.replace(clean, motion_blur=8.0, motion_angle=90.0))
    assert np.abs(np.diff(across[32, :, 0].astype(int))).max() < 60
    assert np.array_equal(along, develop(edge, clean))


def test_noise_has_the_asked_size_and_is_repeatable(clean):
    noisy = dataclasses.replace(clean, noise=0.03)
    picture = develop(_flat(0.18), noisy)
    assert np.array_equal(picture, develop(_flat(0.18), noisy))
    expected = 255 * 0.03 * (0.55 + 0.9 * np.sqrt(118 / 255))
    assert picture.std() == pytest.approx(expected, rel=0.1)


def test_compression_changes_little(clean):
    linear = background(make_sample(3, 0), 64)
    strong = develop(linear, dataclasses.replace(clean, jpeg_quality=30))
    difference = np.abs(strong.astype(int) - develop(linear, clean))
    assert 0 < difference.mean() < 6


def test_backgrounds_differ_and_have_structure():
    pictures = [background(make_sample(i, 0), 64) for i in range(12)]
    assert all(p.shape == (64, 64, 3) and p.min() >= 0.005 and p.max() <= 1.5 for p in pictures)
    assert len({p.tobytes() for p in pictures}) == 12
    assert np.mean([p.std((0, 1)).mean() / p.mean() for p in pictures]) > 0.1


def test_a_foreground_object_comes_from_the_side():
    for i in range(10):
        share = foreground(make_sample(i, 0), 64)
        assert 0 <= share.min() and share.max() <= 1
        assert share[:20].mean() < share[40:].mean()
        assert share[20:34, 26:38].max() == 0
