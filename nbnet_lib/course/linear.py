"""The linear decoder of chapter 04 in numpy: what the chapter continues with after its exercises.

`nbnet_lib.decoders.baselines` has it as a decoder that is saved and evaluated; here are the bare
matrices. Pictures are rows float32 [N, P] in [-1, 1], templates rows [N, d].
"""

from __future__ import annotations

import numpy as np

from nbnet_lib.errors import NbnetError


def fit_line(
    templates: np.ndarray, pictures: np.ndarray, strength: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Fit ``pictures = templates @ weights + bias`` by ridge regression.

    Args:
        templates: [N, d], or any other features of the pictures.
        pictures: [N, P].
        strength: the penalty on the squared size of the weights, above 0; the bias goes free.

    Returns:
        (weights [d, P], bias [P]).

    Raises:
        NbnetError: a strength that is not above 0.
    """
    if not strength > 0:
        raise NbnetError(f"strength={strength} must be above 0, or few pairs have no one solution")
    t_mean, x_mean = templates.mean(axis=0), pictures.mean(axis=0)
    centred = templates - t_mean
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += strength
    # The means need not be taken off the pictures: centred templates are blind to a constant.
    weights = np.linalg.solve(gram, centred.T @ pictures)
    return weights, x_mean - t_mean @ weights


def eigenfaces(pictures: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (mean [P], components [K, P] of length 1, share of the variance up to each [K]).

    K is ``most``, or one less than there are pictures. The eigenvalues come from the N x N matrix
    of the pictures among themselves, which has the same ones as the P x P covariance.
    """
    mean = pictures.mean(axis=0)
    centred = pictures - mean
    values, vectors = np.linalg.eigh(centred @ centred.T)
    first = np.argsort(values)[::-1][: min(most, len(pictures) - 1)]
    components = (vectors[:, first].T @ centred) / np.sqrt(values[first])[:, None]
    return mean, components, values[first].cumsum() / values.sum()


def project(
    pictures: np.ndarray, mean: np.ndarray, components: np.ndarray, k: int | None = None
) -> np.ndarray:
    """Draw pictures [N, P] again from their coordinates in the first ``k`` components."""
    kept = components[:k]
    return (pictures - mean) @ kept.T @ kept + mean


def floor_of(pictures: np.ndarray, identities: np.ndarray) -> float:
    """Return the mean squared error of drawing each person's mean picture."""
    _, index, counts = np.unique(identities, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), pictures.shape[1]))
    np.add.at(sums, index, pictures)
    return float(np.square(pictures - (sums / counts[:, None])[index]).mean())
