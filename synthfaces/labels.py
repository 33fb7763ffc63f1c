"""What each pixel of a picture shows: masks, depth and normals, read off the drawing's buffers.

They are sharp: defocus, motion and compression are the camera's and blur the image only.
Introduced in chapter 1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from synthfaces.background import foreground
from synthfaces.model import EYE, SKIN, head_model
from synthfaces.raster import box_downsample
from synthfaces.render import SUPERSAMPLING, Buffers
from synthfaces.sample import Sample

MASKS = {
    "background": "no person",
    "skin": "face, ears, neck; with brows, lashes and stubble",
    "eyes": "eyeballs between the lids",
    "mouth": "lips, teeth, tongue and the inside",
    "hair": "hair of head and beard",
    "glasses": "frames, and the lenses of sunglasses",
    "headwear": "beanie, cap or hood",
    "clothes": "shirt and scarf",
    "foreground": "an object between camera and face",
}


@lru_cache(1)
def _lips() -> np.ndarray:
    """Return 1 on the lips and inside the mouth, float32 [F] at the fine vertices."""
    model = head_model()
    lips = np.zeros(model.subdivide.shape[0], np.float32)
    for key in ("lips", "inside_mouth"):
        np.maximum.at(lips, model.render_vertex, model.masks[key])
    return lips


def _interpolate(buffers: Buffers, values: np.ndarray) -> np.ndarray:
    """Return float32 [n, k] at the n pixels that show the mesh, of values at its vertices."""
    s = buffers.surface
    seen = s.triangle_of >= 0
    corners = s.triangles[s.triangle_of[seen]]
    a, b = s.weights[seen].T
    shares = np.stack([a, b, 1 - a - b], 1)
    return np.einsum("nc,nck->nk", shares, values[corners])


def _average(values: np.ndarray) -> np.ndarray:
    return box_downsample(np.ascontiguousarray(values, np.float32), SUPERSAMPLING)


def masks(buffers: Buffers, sample: Sample) -> dict[str, np.ndarray]:
    """Return the share of each pixel that shows each of `MASKS`, float32 [S, S]; they sum to 1."""
    s = buffers.surface
    seen = s.triangle_of >= 0
    part = s.part[s.triangle_of[seen]]
    values = _interpolate(buffers, np.column_stack([_lips(), s.vertex[:, 7:9]]))
    names = list(MASKS)
    kind = np.where(values[:, 0] > 0.5, names.index("mouth"), names.index("skin"))
    kind[values[:, 2] > 0] = names.index("clothes")
    kind[values[:, 1] > 0] = names.index("headwear")
    kind[part != SKIN] = names.index("mouth")
    kind[part == EYE] = names.index("eyes")
    label = np.full(s.triangle_of.shape, names.index("background"))
    label[seen] = kind
    label[buffers.visor >= 0] = names.index("headwear")
    label[buffers.glasses >= 0] = names.index("glasses")

    shares = (label[..., None] == np.arange(len(names))).astype(np.float32)
    shares *= 1 - buffers.hair[..., None]
    shares[..., names.index("hair")] += buffers.hair
    if sample.sunglasses:
        shares[buffers.lenses >= 0] = np.eye(len(names), dtype=np.float32)[names.index("glasses")]
    shares = _average(shares)
    if sample.foreground:
        front = foreground(sample, len(shares))
        shares *= 1 - front[..., None]
        shares[..., names.index("foreground")] += front
    return {name: np.ascontiguousarray(shares[..., i]) for i, name in enumerate(names)}


def depth(buffers: Buffers, sample: Sample) -> np.ndarray:
    """Return the way from the camera's plane to the nearest point in each pixel.

    Hair, frames of glasses and headwear count; lenses and an object in the foreground do not.

    Returns:
        float32 [S, S], decimetres; infinite where there is no person.
    """
    side = len(buffers.depth) // SUPERSAMPLING
    blocks = buffers.depth.reshape(side, SUPERSAMPLING, side, SUPERSAMPLING)
    nearest = blocks.max((1, 3))
    return np.where(nearest > -1e8, sample.distance - nearest, np.inf).astype(np.float32)


def normals(buffers: Buffers) -> np.ndarray:
    """Return the normals of the head and its clothes, also where hair or glasses hide them.

    Returns:
        float32 [S, S, 3]: x to the right of the picture, y up, z towards the camera; unit length,
        0 where there is neither head nor clothes.
    """
    s = buffers.surface
    world = np.zeros((*s.triangle_of.shape, 3), np.float32)
    found = _interpolate(buffers, s.vertex[:, :3])
    # The camera's roll and the alignment turn the picture in its plane; its y axis runs down.
    turn = buffers.camera.matrix / buffers.camera.scale * np.array([[1, -1], [-1, 1]])
    found[:, :2] = found[:, :2] @ turn.T
    world[s.triangle_of >= 0] = found / np.linalg.norm(found, axis=1, keepdims=True)
    mean = _average(world)
    length = np.linalg.norm(mean, axis=2, keepdims=True)
    return np.where(length > 1e-3, mean / np.maximum(length, 1e-3), 0).astype(np.float32)
