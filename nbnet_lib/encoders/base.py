"""What every encoder (template extractor) offers, whatever network is behind it.

An encoder is the recogniser's half that turns a face into a template; the attacker of this course
may only call it. Introduced in chapter 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from nbnet_lib.encoders.card import complete_card
from nbnet_lib.encoders.cutter import DetectingCutter
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing, find_framing, reframe
from nbnet_lib.faces.transforms import check_images, resize, to_tensor, to_uint8

ALIGNMENTS = ("framing", "detect")
UNIT = 1e-3  # how far from 1 the length of a template may be
ROWS_AT_ONCE = 8192  # templates whose lengths are computed at once

# Looks for the face in each of uint8 [N, H, W, 3] and cuts it out as the network wants it: a list
# of N pictures, uint8 [S, S, 3], with None where no face was found.
Cutter = Callable[[np.ndarray], list[np.ndarray | None]]


class Aligned(NamedTuple):
    """Pictures as the network takes them.

    Attributes:
        pixels: float32 [N, 3, S, S] in [-1, 1].
        found: bool [N], whether a face was found in each; the fixed transform was used for the
            others. None where no face was looked for.
    """

    pixels: Tensor
    found: np.ndarray | None = None

    @property
    def n_attempted(self) -> int:
        """Pictures in which a face was looked for."""
        return 0 if self.found is None else len(self.found)

    @property
    def n_detected(self) -> int:
        """Those of them with a face."""
        return 0 if self.found is None else int(self.found.sum())


class CountedTemplates(NamedTuple):
    """Templates, float32 [N, d] on the CPU, with the counts of `Aligned` over all pictures."""

    templates: Tensor
    n_attempted: int
    n_detected: int


class Encoder:
    """A black box from aligned faces to unit-length templates; no gradient comes out of it.

    Attributes:
        name: what reports call it.
        template_dim: length of a template.
        image_size: side of the images it takes, pixels.
        card: where the weights come from and how well they verify (`encoders.card`).
        framing: how the faces that it takes are cut out.
        preprocess: what is done to pixels before the network; None where that cannot be changed.
        alignment: how `embed` brings pictures into its framing: "framing" moves all of them by the
            same similarity transform, "detect" looks for the face in each that is not known to be
            in this framing already.
        device: where the network runs.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module | Callable[[Tensor], Tensor],
        image_size: int,
        template_dim: int,
        card: dict[str, Any],
        *,
        framing: str | Framing = "synthfaces",
        preprocess: Preprocess | None = None,
        alignment: str = "framing",
        cutter: Cutter | None = None,
        device: str | torch.device | None = None,
    ):
        """Wrap a network.

        Args:
            name: what reports call it.
            network: float32 inputs -> templates [N, template_dim] of any length. The inputs are
                what ``preprocess`` makes of float32 [N, 3, S, S] in [-1, 1], or those themselves.
            image_size: side S; must be that of ``preprocess`` where there is one.
            template_dim: length of a template.
            card: see `encoders.card`.
            framing: of the network; that of ``preprocess`` goes first.
            preprocess: from our convention to the network's.
            alignment: "framing" or "detect".
            cutter: the recogniser's own detector; None for MTCNN and five points.
            device: of the inputs; None for that of the network's parameters.

        Raises:
            NbnetError: unknown framing or alignment, or sizes that differ.
        """
        if alignment not in ALIGNMENTS:
            raise NbnetError(f"alignment is {alignment!r}: give {' or '.join(ALIGNMENTS)}")
        if preprocess is not None and preprocess.size != image_size:
            raise NbnetError(
                f"the encoder {name} has image size {image_size} but its preprocessing makes "
                f"{preprocess.size}: give one size"
            )
        self.name, self.card = name, card
        self.image_size, self.template_dim = image_size, template_dim
        if preprocess is not None:
            framing = preprocess.framing
        self.framing = framing if isinstance(framing, Framing) else find_framing(framing)
        self.preprocess, self.alignment = preprocess, alignment
        self.network = network
        first = None
        if isinstance(network, nn.Module):
            network.eval().requires_grad_(False)
            first = next(network.parameters(), None)
        self.device = torch.device(device or (first.device if first is not None else "cpu"))
        self._cutter = cutter or DetectingCutter(image_size, self.framing, self.device)

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the weights that answer, 64 hexadecimal digits; None for a function."""
        return self.card.get("sha256")

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Turn float32 [N, 3, S, S] in [-1, 1] into templates, float32 [N, template_dim], unit.

        The images are in the encoder's framing and of its size already; nothing is aligned.

        Raises:
            NbnetError: wrong type, size or range, or a network that answers with another shape,
                with values that are not finite or with a template of zeros.
        """
        check_images(images, self.image_size)
        pixels = images.to(self.device, torch.float32)
        if self.preprocess is not None:
            pixels = self.preprocess(pixels)
        templates, expected = self.network(pixels), (len(images), self.template_dim)
        if templates.shape != expected:
            raise NbnetError(
                f"the encoder {self.name} answered with {list(templates.shape)}: expected "
                f"{list(expected)}"
            )
        return unit_templates(self.name, templates)

    def embed(
        self,
        images: Tensor | np.ndarray,
        batch_size: int = 256,
        progress: bool = False,
        framing: Framing | None = None,
    ) -> Tensor:
        """Return the templates of many images, float32 [N, template_dim] on the CPU.

        Args:
            images: tensor [N, 3, H, W] in [-1, 1] or uint8 array [N, H, W, 3], any size from 32
                pixels; resized to the encoder's own.
            batch_size: images at a time.
            progress: show a bar on stderr.
            framing: how the faces in ``images`` are cut out; None for the encoder's own framing.
                Where ``alignment`` is "detect" a face is looked for unless the encoder's own
                framing is named; another one matters for pictures without a face found only.

        Raises:
            NbnetError: wrong type, shape or range, smaller than 32 pixels, or not square where
                a framing has to be changed.
        """
        return self.embed_counted(images, batch_size, progress, framing).templates

    def embed_counted(
        self,
        images: Tensor | np.ndarray,
        batch_size: int = 256,
        progress: bool = False,
        framing: Framing | None = None,
    ) -> CountedTemplates:
        """Return what `embed` does, and in how many pictures a face was looked for and found."""
        starts = range(0, len(images), batch_size)
        templates = [torch.empty(0, self.template_dim)]
        n_attempted = n_detected = 0
        for start in tqdm(starts, desc=f"templates ({self.name})", disable=not progress):
            batch = images[start : start + batch_size]
            pixels = batch if isinstance(batch, Tensor) else to_tensor(batch)
            check_images(pixels)
            if min(pixels.shape[2:]) < 32:
                raise NbnetError(
                    f"images are {pixels.shape[2]}x{pixels.shape[3]} pixels: expected 32 at least"
                )
            aligned = self.align(pixels, framing)
            templates.append(self(aligned.pixels).cpu())
            n_attempted += aligned.n_attempted
            n_detected += aligned.n_detected
        return CountedTemplates(torch.cat(templates), n_attempted, n_detected)

    def align(self, pixels: Tensor, framing: Framing | None = None) -> Aligned:
        """Bring pictures into the encoder's framing and size, as `embed` does.

        Args:
            pixels: float32 [N, 3, H, W] in [-1, 1].
            framing: see `embed`.
        """
        aligned = framing is not None and framing.points == self.framing.points
        if framing is None or aligned:
            fixed = resize(pixels, self.image_size)
        else:
            fixed = reframe(pixels, framing, self.framing, self.image_size)
        # A detector needs room around a face; what was cut out for this encoder has none left.
        if self.alignment == "framing" or aligned:
            return Aligned(fixed)
        cuts = self._cutter(to_uint8(pixels))
        rows = [
            fixed[i : i + 1] if cut is None else to_tensor(np.array(cut)).to(fixed.device)
            for i, cut in enumerate(cuts)
        ]
        found = np.array([cut is not None for cut in cuts], bool)
        return Aligned(torch.cat(rows) if rows else fixed, found)

    def with_preprocess(self, **changes: Any) -> Encoder:
        """Return the same network behind another preprocessing.

        Args:
            **changes: fields of `Preprocess` other than size; ``alignment`` too.

        Raises:
            NbnetError: the encoder has no preprocessing that could be changed (dlib), or a change
                that `Preprocess` does not know or take.
        """
        alignment = changes.pop("alignment", self.alignment)
        preprocess, framing = self.preprocess, self.framing
        known = () if preprocess is None else ("framing", "channels", "layout", "mean", "std")
        unknown = [change for change in changes if change not in known]
        if unknown:
            raise NbnetError(
                f"the preprocessing of the encoder {self.name} has no {', '.join(unknown)} to "
                f"change: choose from {', '.join((*known, 'alignment'))}"
            )
        if preprocess is not None:
            preprocess = replace(preprocess, **changes)
            framing = preprocess.own_framing
        return Encoder(
            self.name,
            self.network,
            self.image_size,
            self.template_dim,
            complete_card(self.card, preprocess, self.template_dim),
            framing=framing,
            preprocess=preprocess,
            alignment=alignment,
            # A detector cuts for one framing.
            cutter=self._cutter if framing == self.framing else None,
            device=self.device,
        )

    def __repr__(self) -> str:
        """Name and interface in one line."""
        return (
            f"Encoder({self.name!r}: {self.image_size}x{self.image_size} pixels -> "
            f"{self.template_dim}-D template)"
        )


def template_lengths(templates: np.ndarray, what: str = "templates") -> np.ndarray:
    """Return the length of each template of [N, d], numbers of any kind: float64 [N].

    Raises:
        NbnetError: a row of zeros, NaN or infinity, which has no direction; ``what`` begins it.
    """
    lengths = np.empty(len(templates))
    for start in range(0, len(templates), ROWS_AT_ONCE):  # a memory map may be larger than memory
        part = np.asarray(templates[start : start + ROWS_AT_ONCE], np.float64)
        lengths[start : start + ROWS_AT_ONCE] = np.sqrt(np.einsum("nd,nd->n", part, part))
    usable = np.isfinite(lengths) & (lengths > 0)
    if not usable.all():
        row = int(np.argmin(usable))
        why = "is all zeros" if lengths[row] == 0 else "holds NaN or infinity"
        raise NbnetError(f"{what}: row {row} {why}, extract it again")
    return lengths


def at_unit_length(templates: np.ndarray, lengths: np.ndarray, within: float = UNIT) -> np.ndarray:
    """Return templates [N, d] of these ``lengths`` as float32 of length 1.

    Where all lengths are 1 to ``within`` the numbers stay as they are: the result may be the array
    that was given.
    """
    if np.abs(lengths - 1).max() <= within:
        return np.ascontiguousarray(templates, np.float32)
    unit = np.empty(templates.shape, np.float32)
    return np.divide(templates, lengths[:, None], out=unit, casting="same_kind")


def length_note(lengths: np.ndarray, what: str = "templates") -> list[str]:
    """Return one sentence where some of ``lengths`` are not 1, otherwise none."""
    if not (other := int((np.abs(lengths - 1) > UNIT).sum())):
        return []
    ends = f"{lengths.min():.3g} to {lengths.max():.3g}"
    return [f"{other:,} of {len(lengths):,} {what} were not of unit length ({ends}): brought to it"]


def unit_templates(name: str, templates: Tensor) -> Tensor:
    """Return templates [N, d] as float32 of unit length.

    Args:
        name: what an error calls the encoder.
        templates: [N, d] of any floating-point type and length.

    Raises:
        NbnetError: a template that has no direction.
    """
    unit = F.normalize(templates.float())
    # Not so after zeros, NaN and infinity, nor after squares beyond the range of 32 bits.
    usable = (unit.norm(dim=1) - 1).abs() < UNIT
    if not bool(usable.all()):
        row = int((~usable).int().argmax())
        raise NbnetError(
            f"{name} gives picture {row} of a batch of {len(unit)} a template of zeros, NaN or "
            "infinity (or of numbers near them), which has no direction: check its range of input "
            "pixels (mean and std in its card)"
        )
    return unit


def embed_counted(
    encoder: Any, images: Tensor | np.ndarray, framing: Framing | None = None
) -> CountedTemplates:
    """Call `Encoder.embed_counted`; any other object with ``embed`` looks for no faces."""
    if hasattr(encoder, "embed_counted"):
        return encoder.embed_counted(images, framing=framing)
    return CountedTemplates(encoder.embed(images, framing=framing), 0, 0)
