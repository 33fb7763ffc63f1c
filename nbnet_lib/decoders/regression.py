"""How the baselines are fitted: PCA of the pixels, cross-validation over people, ridge regression.

scikit-learn does the arithmetic (`PCA`, `Nystroem`, `Ridge`, `GroupKFold`). Memory stays bounded
whatever the number of pictures: the PCA looks at a sample, the pictures are projected in batches,
and the regression sees coordinates, or the sums over all pictures of template times pixel. Beyond
the pictures themselves that is about 1.2 GB for 20,000 pictures at 160 px.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from nbnet_lib.decoders.base import check_templates, require_pictures
from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    from nbnet_lib.decoders.baselines import PixelRegression

FOLDS = 3
PCA_BYTES = 512 * 2**20  # float32 pixels that the PCA may hold at once
CHOICE_PICTURES, CHOICE_CENTRES = 6000, 1000  # enough to rank the settings
ALPHAS = (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0)
CHOICE_COMPONENTS = 256  # of the pictures, where every pixel is regressed on afterwards
GAMMAS = (0.01, 0.03, 0.1, 0.3, 1.0)  # between unit vectors |t - c|^2 is 2 - 2 cosine: 0 to 4
BATCH = 256


def fit(
    decoder: PixelRegression,
    templates: np.ndarray | Tensor,
    images: np.ndarray,
    identities: Sequence[int] | np.ndarray | None,
    seed: int,
    progress: bool,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Choose the settings, then fit; see `PixelRegression.fit`.

    The ridge penalty alpha (and the kernel's gamma) are those with the smallest squared error in
    ``FOLDS``-fold cross-validation with no person in two folds, on about 6,000 pictures (and
    1,000 centres). Without identities the folds are blocks of neighbouring rows, which keeps the
    people of an ordered list apart. The same alpha serves the whole set: it weighs the noise of a
    picture against the size of the weights, and neither grows with the number of pictures.

    A decoder of all pixels chooses by principal components too (they hold what is predictable),
    and is then fitted to the pixels themselves.

    Returns:
        the values by name, and a card: pictures, settings, `components`, `pca_variance` (the share
        of the pixels' variance that the components hold), `predicted_variance` (the share of the
        components' variance that is predicted for people outside the fit).
    """
    from tqdm import tqdm

    x, groups = _checked(decoder, templates, images, identities)
    wanted = decoder.options().get("centres", 0)  # none: regress on the template itself
    gammas: Sequence[float | None] = GAMMAS if wanted else (None,)
    batches = range(0, len(images), BATCH)
    parts = len(gammas) + len(batches) + 2
    with tqdm(total=parts, desc="fit", unit="part", file=sys.stderr, disable=not progress) as bar:
        wanted_components = CHOICE_COMPONENTS if decoder.all_pixels else len(decoder.basis)
        mean, components, deviations, share = _principal(images, wanted_components, seed)
        bar.update()
        codes = np.empty((len(images), len(components)), np.float32)
        sums = _PixelSums(x, mean) if decoder.all_pixels else None
        for start in batches:
            part = slice(start, start + BATCH)
            centred = _pixels(images[part]) - mean
            codes[part] = centred @ components.T
            if sums:
                sums.add(part, centred)
            bar.update()

        rows = _choice_rows(groups)
        centres = min(CHOICE_CENTRES, wanted)
        errors: dict[tuple[float | None, float], float] = {}
        for gamma in gammas:
            found = _errors(gamma, centres, x[rows], codes[rows], groups[rows], seed)
            errors |= {(gamma, alpha): error for alpha, error in zip(ALPHAS, found, strict=True)}
            bar.update()
        gamma, alpha = best = min(errors, key=lambda setting: errors[setting])

        centres = min(wanted, len(x))
        if sums:
            values = sums.solve(alpha)
        else:
            values = _final(gamma, alpha, centres, x, codes, deviations, seed)
            values = {"mean": mean, "basis": components * deviations[:, None], **values}
        bar.update()
    variance = float(codes[rows].var(axis=0, dtype=np.float64).sum())
    varied = variance > 1e-9 * len(mean)  # equal pictures differ by the rounding of their codes
    card = {
        "pictures": len(images),
        "components": len(components),
        "alpha": alpha,
        **({"centres": centres, "gamma": gamma} if wanted else {}),
        "pca_variance": share,
        "predicted_variance": float(1 - errors[best] / variance) if varied else 0.0,
    }
    return values, card


class _PixelSums:
    """What ridge regression of every pixel needs of the pictures, added up batch by batch."""

    def __init__(self, x: np.ndarray, mean: np.ndarray):
        self.x_mean, self.mean = x.mean(axis=0), mean  # the pictures' mean so far: of a sample
        self.x = x - self.x_mean
        self.total = np.zeros_like(mean)
        self.products = np.zeros((x.shape[1], len(mean)))

    def add(self, rows: slice, pixels: np.ndarray) -> None:
        """Add pictures [n, P], minus ``mean``, that belong to these rows of ``x``."""
        self.total += pixels.sum(axis=0)
        self.products += self.x[rows].T @ pixels

    def solve(self, alpha: float) -> dict[str, np.ndarray]:
        """Return the decoder's values: each number of the template has its own row of pixels."""
        gram = self.x.T @ self.x + alpha * np.eye(len(self.products))
        return {
            "mean": self.mean + self.total / len(self.x),
            "basis": np.linalg.solve(gram, self.products),
            "bias": -self.x_mean,
            "weights": np.eye(len(gram)).ravel(),
        }


def _checked(
    decoder: PixelRegression,
    templates: np.ndarray | Tensor,
    images: np.ndarray,
    identities: Sequence[int] | np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (templates float64 [N, d], group of each row), or say what is wrong."""
    require_pictures(images, identities)
    if images.shape[1] != decoder.image_size:
        raise NbnetError(
            f"the pictures have {images.shape[1]} pixels a side, the decoder draws "
            f"{decoder.image_size}: give one size"
        )
    # Files hold matrices as float16. Rounded now, the centres in the file are those of the fit.
    x = check_templates(templates, decoder.template_dim, len(images)).half().numpy().astype(float)
    groups = np.arange(len(x)) * FOLDS // len(x) if identities is None else np.asarray(identities)
    people = len(np.unique(groups))
    if people < FOLDS or len(x) < 4 * FOLDS:
        raise NbnetError(
            f"{len(x)} images of {people} people are too few to fit and to choose the settings on: "
            f"give at least {4 * FOLDS} images of {FOLDS} people"
        )
    return x, groups


def _pixels(images: np.ndarray) -> np.ndarray:
    """uint8 [N, S, S, 3] -> float32 [N, 3 * S * S] in [-1, 1], channels first."""
    flat = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
    return flat.astype(np.float32) / 127.5 - 1


def _principal(
    images: np.ndarray, wanted: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """PCA of evenly spaced pictures: mean [P], components [k, P], deviations [k], their share."""
    from sklearn.decomposition import PCA

    most = max(PCA_BYTES // (4 * images[0].size), 2)
    sample = images[np.linspace(0, len(images) - 1, min(most, len(images))).astype(int)]
    wanted = min(wanted, len(sample) - 1)
    pca = PCA(wanted, svd_solver="randomized", random_state=seed, copy=False, iterated_power=2)
    pca.fit(_pixels(sample))
    deviations = np.sqrt(np.maximum(pca.explained_variance_, 1e-12))
    share = float(pca.explained_variance_ratio_.sum())
    return pca.mean_, pca.components_, deviations, share


def _choice_rows(groups: np.ndarray) -> np.ndarray:
    """Rows of whole people, evenly chosen, until there are about ``CHOICE_PICTURES``.

    Of people with very many pictures (or blocks of pictures of unknown people) some of each.
    """
    people = np.unique(groups)
    keep = max(int(len(people) * CHOICE_PICTURES / len(groups)), FOLDS)
    chosen = people[np.linspace(0, len(people) - 1, min(keep, len(people))).astype(int)]
    rows = np.flatnonzero(np.isin(groups, chosen))
    step = len(rows) // CHOICE_PICTURES
    if step > 1:
        rows = np.sort(np.concatenate([rows[groups[rows] == person][::step] for person in chosen]))
    return rows


def _kernel(gamma: float | None, centres: int, seed: int) -> Any:
    from sklearn.kernel_approximation import Nystroem
    from sklearn.preprocessing import FunctionTransformer

    if gamma is None:
        return FunctionTransformer()  # the template as it is
    return Nystroem("rbf", gamma=gamma, n_components=centres, random_state=seed)


def _errors(
    gamma: float | None,
    centres: int,
    x: np.ndarray,
    codes: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Squared error per picture of each alpha, for people that took no part in the fit."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GroupKFold

    total = np.zeros(len(ALPHAS))
    for fitted, held in GroupKFold(FOLDS).split(x, codes, groups):
        kernel = _kernel(gamma, min(centres, len(fitted)), seed)
        near, far = kernel.fit_transform(x[fitted]), kernel.transform(x[held])
        for i, alpha in enumerate(ALPHAS):
            predicted = Ridge(alpha=alpha).fit(near, codes[fitted]).predict(far)
            total[i] += np.square(predicted - codes[held]).sum(dtype=np.float64)
    return total / len(x)


def _final(
    gamma: float | None,
    alpha: float,
    centres: int,
    x: np.ndarray,
    codes: np.ndarray,
    deviations: np.ndarray,
    seed: int,
) -> dict[str, np.ndarray]:
    """Fit on everything; return weights and bias for coordinates divided by ``deviations``."""
    from sklearn.linear_model import Ridge

    kernel = _kernel(gamma, centres, seed)
    ridge = Ridge(alpha=alpha, copy_X=False).fit(kernel.fit_transform(x), codes)
    weights = ridge.coef_ / deviations[:, None]
    bias = ridge.intercept_ / deviations
    centred: dict[str, np.ndarray] = {}
    if gamma is not None:
        # Nystroem's features are similarities times a matrix: fold it into the weights.
        weights = weights @ kernel.normalization_
        bias = bias + weights.sum(axis=1)  # the decoder's features are the similarities minus 1
        centred = {"centres": kernel.components_, "gamma": np.float64(gamma)}
    return {"bias": bias, "weights": weights.ravel(), **centred}
