"""From head to image: rotation, perspective, and the alignment on five landmarks.

Real face pipelines crop every picture so that eyes, nose and mouth corners fall on fixed places
(a similarity transform fitted by least squares). The renderer does the same with exact landmarks,
then adds a little jitter, as a real detector would. Introduced in chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthfaces.raster import compiled
from synthfaces.sample import Sample

# Where the landmarks of a face land, as shares of the image side: x, y of the subject's right
# eye, left eye, nose tip, right and left mouth corner.
REFERENCE = np.array(
    [[0.352, 0.435], [0.648, 0.435], [0.5, 0.602], [0.379, 0.735], [0.621, 0.735]], np.float32
)


def rotation_matrix(yaw: float, pitch: float) -> np.ndarray:
    """Return head-to-world rotation, float32 [3, 3]; degrees."""
    y, p = np.radians([yaw, pitch])
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    nod = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    return (turn @ nod).astype(np.float32)


def fit_similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (A [2, 2], t [2]) so that A @ source + t is nearest to target in least squares."""
    mean_s, mean_t = source.mean(0), target.mean(0)
    a, b = source - mean_s, target - mean_t
    scale = (a**2).sum()
    cosine = (a * b).sum() / scale
    sine = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / scale
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    return matrix, mean_t - matrix @ mean_s


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: world = rotation @ (point - centre), then perspective, then pixels."""

    rotation: np.ndarray  # float32 [3, 3]
    centre: np.ndarray  # float32 [3]
    distance: float
    matrix: np.ndarray  # float32 [2, 2], to pixels
    shift: np.ndarray  # float32 [2]
    scale: float  # pixels per decimetre

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return screen x, y in pixels and depth, float32 [n, 3], of points float32 [n, 3]."""
        return _project(points, self.rotation, self.centre, self.distance, self.matrix, self.shift)

    def turn(self, normals: np.ndarray) -> np.ndarray:
        """Return unit vectors float32 [n, 3], head space, in world space."""
        origin, none = np.zeros(3, np.float32), np.zeros(2, np.float32)
        flipped = np.array([[1, 0], [0, -1]], np.float32)
        return _project(normals, self.rotation, origin, 1e9, flipped, none)


@compiled
def _project(points, rotation, centre, distance, matrix, shift):
    """Rotate, divide by the distance, then to pixels. A plain loop: BLAS would start threads."""
    result = np.empty((points.shape[0], 3), np.float32)
    for i in range(points.shape[0]):
        a, b, c = points[i, 0] - centre[0], points[i, 1] - centre[1], points[i, 2] - centre[2]
        x = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2] * c
        y = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2] * c
        z = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2] * c
        factor = distance / (distance - z)
        x, y = x * factor, -y * factor
        result[i, 0] = matrix[0, 0] * x + matrix[0, 1] * y + shift[0]
        result[i, 1] = matrix[1, 0] * x + matrix[1, 1] * y + shift[1]
        result[i, 2] = z
    return result


def aim_camera(sample: Sample, landmarks: np.ndarray, centre: np.ndarray, pixels: int) -> Camera:
    """Point the camera so that the landmarks, float32 [5, 3], land on `REFERENCE`, with jitter."""
    rotation = rotation_matrix(sample.yaw, sample.pitch)
    plain, none = np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    flat = _project(landmarks, rotation, centre, sample.distance, plain, none)
    matrix, shift = fit_similarity(flat[:, :2], REFERENCE * pixels)
    roll = np.radians(sample.roll)
    jitter = (1 + sample.zoom) * np.array(
        [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]
    )
    pivot = np.array([0.5, 0.55]) * pixels
    scale = (1 + sample.zoom) * float(np.hypot(matrix[0, 0], matrix[1, 0]))
    return Camera(
        rotation=rotation,
        centre=centre,
        distance=sample.distance,
        matrix=(jitter @ matrix).astype(np.float32),
        scale=scale,
        shift=(jitter @ (shift - pivot) + pivot + np.array(sample.shift) * pixels).astype(
            np.float32
        ),
    )
