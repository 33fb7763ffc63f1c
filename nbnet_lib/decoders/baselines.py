"""The classical baselines: linear and RBF regression from a template to pixels (chapter 4).

Before there were de-convolutions, one would have regressed the pixels on the template. The two
baselines differ in what they regress on:

- ``linear``: ridge regression of all pixels on the template itself;
- ``rbf``: ridge regression on its similarities exp(-gamma |t - c|^2) to ``centres`` drawn from the
  training templates (Nystroem's approximation of kernel ridge regression). The exact method needs
  a kernel matrix of N x N values, 3.2 GB for 20,000 pictures, and a file that holds every training
  template; with 2,000 centres both are ten times smaller. It predicts the picture's coordinates in
  its first 256 principal components: 2,000 weights for every pixel would be as large again.

The arithmetic of the fit is scikit-learn's (`decoders.regression`); what is here draws pictures
with the result, so that the baselines are saved, loaded and measured like every other decoder.
The paper compares with an RBF regression too; its code is not public, so this is our version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nbnet_lib.decoders.base import Decoder, stem_and_ups
from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    import numpy as np


class PixelRegression(Decoder):
    """What both baselines share: ``picture = mean + basis @ (bias + weights @ features)``.

    ``fit`` sets the values; nothing here is trained by gradient descent, so ``requires_grad`` is
    False throughout and `count_parameters` says 0.
    """

    training_method = "fit"
    all_pixels = False  # regress on every pixel, not on the principal components

    def __init__(self, features: int, template_dim: int, image_size: int, components: int):
        super().__init__()
        stem_and_ups(image_size)  # the sizes of the other decoders
        self.template_dim, self.image_size = template_dim, image_size
        pixels = 3 * image_size**2
        self.mean = _held(pixels)  #                 the mean picture, in the order [3, S, S]
        self.basis = _held(components, pixels)  #    what each code draws
        self.bias = _held(components)
        # A vector, because files hold those as float32 and matrices as float16: the weights of
        # many similar similarities are large and cancel.
        self.weights = _held(components * features)
        self.fitted = _held()  #                     1 once fitted; saved with the rest

    def features(self, templates: Tensor) -> Tensor:
        """What the regression is linear in: [N, d] -> [N, features]."""
        raise NotImplementedError

    def forward(self, templates: Tensor) -> Tensor:
        """Draw one picture per template: float32 [N, d] -> float32 [N, 3, S, S] in [-1, 1].

        Raises:
            NbnetError: it was not fitted yet.
        """
        self.require_fitted()
        weights = self.weights.unflatten(0, (len(self.bias), -1))
        codes = nn.functional.linear(self.features(templates), weights, self.bias)
        pixels = torch.addmm(self.mean, codes, self.basis)
        return pixels.unflatten(1, (3, self.image_size, self.image_size)).clamp(-1, 1)

    def require_fitted(self) -> None:
        """Raise unless `fit` was called or fitted values were loaded.

        Raises:
            NbnetError: neither.
        """
        if not self.fitted:
            raise NbnetError(
                f"the decoder {self.name} was not fitted: call decoder.fit(templates, images), "
                "or `nbnet train --decoder`, before it draws or is saved"
            )

    def fit(
        self,
        templates: np.ndarray | Tensor,
        images: np.ndarray,
        identities: Sequence[int] | np.ndarray | None = None,
        *,
        seed: int = 0,
        progress: bool = True,
    ) -> dict[str, Any]:
        """Regress the pixels on the templates, in place.

        Args:
            templates: float32 [N, d].
            images: uint8 [N, S, S, 3]; read in parts, so it may be a memory map.
            identities: SynthFaces identity of each image, all the attacker's; None says that
                the images are not SynthFaces.
            seed: of the randomised PCA and of the draw of centres.
            progress: show a bar on stderr.

        Returns:
            what was chosen and how well it predicts, for the card: see `regression.fit`.

        Raises:
            NbnetError: data that does not fit the decoder, is reserved for evaluation, or is too
                little to divide into people to fit on and people to choose the settings on.
        """
        from nbnet_lib.decoders import regression  # scikit-learn takes a second to import

        values, card = regression.fit(self, templates, images, identities, seed, progress)
        with torch.no_grad():
            for name, value in values.items():
                getattr(self, name).data = torch.as_tensor(value, dtype=torch.float32).to(
                    self.mean.device
                )
            self.fitted.fill_(1)
        if self.architecture:  # few pictures give fewer components than were wanted
            self.architecture["options"] = self.options()
        return card

    def options(self) -> dict[str, int]:
        """Return the sizes that `create_decoder` needs to rebuild this module."""
        return {} if self.all_pixels else {"components": len(self.basis)}


class LinearRegression(PixelRegression):
    """Ridge regression: the picture is a linear function of the template.

    Args:
        template_dim: length d of a template.
        image_size: edge of the picture in pixels (40, 64, 80, 112 or 160).
        components: None for a regression of every pixel, whose basis is what each number of the
            template adds to the picture; or principal components of the pictures that are
            predicted, which leaves out what those do not hold.

    Input float32 [N, d], output float32 [N, 3, S, S] in [-1, 1].
    """

    def __init__(
        self, template_dim: int = 128, image_size: int = 160, components: int | None = None
    ):
        super().__init__(template_dim, template_dim, image_size, components or template_dim)
        self.all_pixels = components is None

    def features(self, templates: Tensor) -> Tensor:
        """The template itself."""
        return templates


class RBFRegression(PixelRegression):
    """Regression on how close the template is to each of the centres.

    The centres are templates of training pictures, so a fitted file holds some of those: share it
    only where you may share them.

    Args:
        template_dim: length d of a template.
        image_size: edge of the picture in pixels (40, 64, 80, 112 or 160).
        components: principal components of the pictures that are predicted.
        centres: training templates that similarities are measured to.

    Input float32 [N, d], output float32 [N, 3, S, S] in [-1, 1].
    """

    def __init__(
        self,
        template_dim: int = 128,
        image_size: int = 160,
        components: int = 256,
        centres: int = 2000,
    ):
        super().__init__(centres, template_dim, image_size, components)
        self.centres = _held(centres, template_dim)
        self.gamma = _held()

    def features(self, templates: Tensor) -> Tensor:
        """Similarities exp(-gamma |t - c|^2) minus 1, float32 [N, centres] in (-1, 0].

        Where gamma is small they are all nearly 1, and float32 would round off what differs; the
        bias holds what the ones add.
        """
        squared = (
            templates.square().sum(1, keepdim=True)
            + self.centres.square().sum(1)
            - 2 * templates @ self.centres.T
        )
        return torch.expm1(-self.gamma * squared.clamp_min(0))

    def options(self) -> dict[str, int]:
        """Return the sizes that `create_decoder` needs to rebuild this module."""
        return {"components": len(self.basis), "centres": len(self.centres)}


def fit_decoder(
    decoder: Decoder,
    images: np.ndarray,
    templates: np.ndarray | Tensor,
    identities: Sequence[int] | np.ndarray | None,
    *,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Fit a baseline: what `train_decoder` is to the networks, with the arguments in its order.

    Returns:
        what was chosen, for the card; see `PixelRegression.fit`.

    Raises:
        NbnetError: the decoder is one that is trained step by step, or the data do not fit it.
    """
    if not isinstance(decoder, PixelRegression):
        raise NbnetError(f"the decoder {decoder.name} is not fitted in one go: use train_decoder")
    return decoder.fit(templates, images, identities, seed=seed, progress=progress)


def _held(*shape: int) -> nn.Parameter:
    """A value that is saved and moved with the module, and that no optimiser touches."""
    return nn.Parameter(torch.zeros(shape), requires_grad=False)
