"""What a camera does to linear light: exposure, tone curve, blur, noise, compression.

Introduced in chapter 1.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from synthfaces.raster import compiled
from synthfaces.sample import Sample

_LIGHT = np.linspace(0, 1, 2049)
# The sRGB transfer curve, IEC 61966-2-1.
_SRGB = np.where(_LIGHT <= 0.0031308, 12.92 * _LIGHT, 1.055 * _LIGHT ** (1 / 2.4) - 0.055).astype(
    np.float32
)


@compiled
def _tone(linear, gain, vignette, table, contrast, saturation):
    """Expose, roll the highlights off and encode; float32 [H, W, 3] -> about [0, 1]."""
    height, width = linear.shape[:2]
    result = np.empty((height, width, 3), np.float32)
    last = table.shape[0] - 1
    for row in range(height):
        dy = (row + 0.5) / height - 0.5
        for column in range(width):
            dx = (column + 0.5) / width - 0.5
            fall = 1 - vignette * 2 * (dx * dx + dy * dy)
            grey = 0.0
            for c in range(3):
                light = linear[row, column, c] * gain[c] * fall
                # Straight up to 0.5, then a shoulder that reaches 1 only for endless light.
                if light > 0.5:
                    light = 1 - 0.5 / (1 + 2 * (light - 0.5))
                at = light * last
                i = min(int(at), last - 1)
                value = table[i] + (table[i + 1] - table[i]) * (at - i)
                value = 0.46 + (value - 0.46) * contrast
                result[row, column, c] = value
                grey += value / 3
            for c in range(3):
                result[row, column, c] = grey + (result[row, column, c] - grey) * saturation
    return result


@compiled
def _blur_rows(image, kernel, result):
    """Blur along the rows with a symmetric kernel of odd length; edges are repeated."""
    height, width = image.shape[:2]
    reach = kernel.shape[0] // 2
    for row in range(height):
        for column in range(width):
            r = g = b = np.float32(0)
            for k in range(-reach, reach + 1):
                at = min(max(column + k, 0), width - 1)
                w = kernel[k + reach]
                r += w * image[row, at, 0]
                g += w * image[row, at, 1]
                b += w * image[row, at, 2]
            result[row, column, 0], result[row, column, 1], result[row, column, 2] = r, g, b


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return float32 [H, W, 3] blurred with ``sigma`` pixels."""
    reach = max(1, math.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    rows = np.empty_like(image)
    _blur_rows(image, kernel, rows)
    turned = np.ascontiguousarray(rows.swapaxes(0, 1))
    result = np.empty_like(turned)
    _blur_rows(turned, kernel, result)
    return np.ascontiguousarray(result.swapaxes(0, 1))


@compiled
def _smear(image, dx, dy, taps):
    """Average ``taps`` copies of the image along a line (bilinear), for motion blur."""
    height, width = image.shape[:2]
    result = np.zeros_like(image)
    for k in range(taps):
        at = k / (taps - 1) - 0.5
        ox, oy = at * dx, at * dy
        bx, by = int(math.floor(ox)), int(math.floor(oy))
        fx, fy = ox - bx, oy - by
        for row in range(height):
            r0, r1 = min(max(row + by, 0), height - 1), min(max(row + by + 1, 0), height - 1)
            for column in range(width):
                c0 = min(max(column + bx, 0), width - 1)
                c1 = min(max(column + bx + 1, 0), width - 1)
                for c in range(3):
                    top = image[r0, c0, c] * (1 - fx) + image[r0, c1, c] * fx
                    low = image[r1, c0, c] * (1 - fx) + image[r1, c1, c] * fx
                    result[row, column, c] += (top * (1 - fy) + low * fy) / taps
    return result


@compiled
def _digitise(picture, grain, noise):
    """Add noise and round: float32 [H, W, 3] -> uint8."""
    result = np.empty(picture.shape, np.uint8)
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            for c in range(3):
                value = picture[row, column, c]
                if noise > 0:
                    value += grain[row, column, c] * noise * (0.55 + 0.9 * math.sqrt(max(value, 0)))
                result[row, column, c] = np.uint8(min(1.0, max(0.0, value)) * 255 + 0.5)
    return result


def _compress(picture: np.ndarray, quality: int) -> np.ndarray:
    """Return the picture after a JPEG file of ``quality``."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="JPEG", quality=quality)
    with Image.open(file) as opened:
        return np.array(opened)


def develop(linear: np.ndarray, sample: Sample) -> np.ndarray:
    """Turn linear light, float32 [size, size, 3], into the camera's uint8 picture.

    Blur happens in linear light (it is light that the lens spreads), noise is stronger where
    there is more light (photons) with a floor (the sensor).
    """
    size = len(linear)
    sigma = sample.defocus * size / 112
    if sigma > 0.25:
        linear = gaussian_blur(linear, sigma)
    length = sample.motion_blur * size / 112
    if length > 0.5:
        angle = math.radians(sample.motion_angle)
        taps = max(3, math.ceil(length) + 1)
        linear = _smear(linear, length * math.cos(angle), length * math.sin(angle), taps)
    gain = (sample.exposure * np.asarray(sample.white_balance)).astype(np.float32)
    curve = _SRGB ** np.float32(sample.gamma)
    picture = _tone(linear, gain, sample.vignette, curve, sample.contrast, sample.saturation)
    if sample.noise > 0:
        rng = np.random.default_rng([37, sample.background_seed])
        grain = rng.standard_normal(picture.shape, np.float32)
    else:
        grain = np.zeros((0, 0, 3), np.float32)
    result = _digitise(picture, grain, sample.noise)
    return _compress(result, sample.jpeg_quality) if sample.jpeg_quality else result
