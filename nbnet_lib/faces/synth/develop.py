"""Behind and after the head: the blurred background, and what a camera does to linear light.

Introduced in chapter 1.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage

from nbnet_lib.faces.synth.sample import Sample


def background(sample: Sample, pixels: int) -> np.ndarray:
    """Return an out-of-focus room, float32 [pixels, pixels, 3], linear RGB."""
    rng = np.random.default_rng(sample.background_seed)
    top, bottom = (
        rng.uniform(0.02, 0.7) * (1 + 0.35 * np.clip(rng.normal(0, 0.45, 3), -1, 1))
        for _ in range(2)
    )
    blobs = rng.normal(0, 1, (6, 6, 3))
    strength = 0.14 * rng.random()
    coarse = blobs.mean(2, keepdims=True) * strength + 0.02 * blobs
    at = np.linspace(0, 5, pixels)
    # A separable spline, so that the price does not grow with the number of blobs.
    basis = scipy.ndimage.map_coordinates(
        np.eye(6), np.array(np.meshgrid(at, np.arange(6), indexing="ij")), order=3, mode="nearest"
    )
    soft = np.einsum("ri,ijc,sj->rsc", basis, coarse, basis, optimize=True)
    down = np.linspace(0, 1, pixels)[:, None, None]
    return np.clip(top * (1 - down) + bottom * down + soft, 0.005, 1).astype(np.float32)


def develop(linear: np.ndarray, sample: Sample) -> np.ndarray:
    """Turn linear light, float32 [size, size, 3], into the camera's uint8 picture."""
    light = linear * np.float32(sample.exposure)
    light = light / (1 + 0.18 * light) * np.float32(1.08)  # a soft shoulder instead of clipping
    # sRGB transfer curve, IEC 61966-2-1.
    picture = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055
    )
    picture = np.clip(picture, 0, 1) ** np.float32(sample.gamma)
    grey = picture.mean(2, keepdims=True)
    picture = grey + (picture - grey) * np.float32(sample.saturation)
    if sample.blur > 0.25:
        sigma = sample.blur * len(linear) / 112
        picture = scipy.ndimage.gaussian_filter(picture, (sigma, sigma, 0), truncate=3)
    rng = np.random.default_rng(sample.background_seed + 1)
    picture += rng.standard_normal(picture.shape, np.float32) * np.float32(sample.noise)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
