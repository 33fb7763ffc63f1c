"""The light of one picture: from the parameters of a sample to light at every vertex.

Introduced in chapter 1.
"""

from __future__ import annotations

import numpy as np

from synthfaces.camera import Camera
from synthfaces.geometry import Person, coarse_triangles, place
from synthfaces.light import hard_light, light_coefficients, receive
from synthfaces.sample import Sample
from synthfaces.shade import Light

_SOFT = 0.55  # from this softness on, no shadow map is needed


def picture_light(sample: Sample, camera: Camera) -> Light:
    """Return the picture's lights in world space."""
    azimuth, elevation = np.radians([sample.light_azimuth, sample.light_elevation])
    key = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ],
        np.float32,
    )
    half = key + np.array([0, 0, 1], np.float32)
    rim = np.array([-np.sign(sample.light_azimuth) * 0.8 or 0.8, 0.35, -0.5], np.float32)
    return Light(
        up=np.ascontiguousarray(camera.rotation[:, 1]),
        key=key,
        half=half / np.linalg.norm(half),
        rim=rim / np.linalg.norm(rim),
        key_rgb=np.array([1 + sample.warmth, 1, 1 - sample.warmth], np.float32),
        fill=np.asarray(sample.fill, np.float32),
        key_strength=float(sample.key_strength),
        rim_strength=float(sample.rim_strength),
    )


def vertex_light(
    person: Person,
    sample: Sample,
    mesh: np.ndarray,
    vertices: np.ndarray,
    normals: np.ndarray,
    camera: Camera,
    light: Light,
    covered: np.ndarray,
) -> np.ndarray:
    """Return `Surface.vertex`, float32 [F, 16], for a posed head.

    Args:
        person: whose self-shadowing is used.
        sample: softness and colours of the light.
        mesh: float32 [C, 3] posed; ``vertices``, ``normals``: float32 [F, 3] posed.
        camera: its rotation turns the head.
        light: from `picture_light`; ``covered``: from `wardrobe.cover`.
    """
    coefficients = light_coefficients(
        camera.rotation, light.fill, light.key, sample.softness, sample.light_turn
    )
    hardness = float(np.clip(1 - sample.softness / _SOFT, 0, 1)) ** 0.5
    hard = np.zeros(0, np.float32)
    if hardness > 0:
        towards = np.ascontiguousarray(camera.rotation.T @ light.key)
        hard = hard_light(
            mesh - person.centre, coarse_triangles(), vertices - person.centre, normals, towards
        )
    return receive(
        person.transfer, coefficients, hard, hardness, normals, camera.rotation, covered, place()[0]
    )
