"""Is a recogniser fed as it was trained? The alternatives are tried and compared, person by person.

A network that gets its colours in the wrong order, its pixels in the wrong range or its faces cut
out in another way gives templates all the same, only worse ones. What it was trained on cannot be
read from its weights, but it can be tried: on a few hundred pictures, everything that is usually
got wrong is done otherwise, one thing at a time, and the templates are compared. How well genuine
and impostor scores are apart is measured by d', which uses every score: the equal error rate of a
good recogniser hangs on a handful. An alternative is called better only if

- the interval of the paired difference of d' over people excludes 0, at 95 % for all alternatives
  of a round together (Bonferroni: a share of the 5 % for each),
- d' rises by a twentieth or more: smaller gains are real but no sign of a mistake, and
- the equal error rate does not rise.

The best one is then kept and the rest is tried again, since mistakes come in company. To networks
trained on photographs drawn faces are foreign: what is found on SynthFaces should be looked at
again on photographs (``--data``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from nbnet_lib.encoders.base import Aligned
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import Protocol
from nbnet_lib.evaluate.scores import Comparisons, all_pairs
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import d_prime, eer
from nbnet_lib.faces.framing import FRAMINGS, Framing
from nbnet_lib.faces.transforms import to_tensor

PEOPLE, SAMPLES = 60, 3  # what is tried out on, at most
FEWEST = 10  # people that any interval needs
READ_SIZE = 160  # pixels at least: enough for the detector, and to cut faces more tightly
MATERIAL = 1.05  # times the d' that an alternative must reach
HOPELESS = 0.25  # equal error rate above which nothing is recognised
ROUNDS = 3
# What networks are fed, as (mean, std) of pixels from 0 to 255 in the order red, green, blue.
RANGES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "pixels from -1 to 1": ((127.5,) * 3, (127.5,) * 3),
    "pixels from 0 to 1": ((0.0,) * 3, (255.0,) * 3),
    "pixels from 0 to 255": ((0.0,) * 3, (1.0,) * 3),
    "pixels less ImageNet's mean, by its deviation": (
        (123.675, 116.28, 103.53),
        (58.395, 57.12, 57.375),
    ),
    "FaceNet's (pixel - 127.5) / 128": ((127.5,) * 3, (128.0,) * 3),
}
ALIKE = 0.02  # a smaller difference of two ranges' ends, as a share of their width, shows nothing
BATCH = 64


@dataclass(frozen=True)
class Input:
    """Pictures on their way to templates: everything that may be wrong, as it is now.

    Attributes:
        encoder: from `create_encoder`, or a variant of one.
        framing: how the faces in the pictures are cut out; None where nobody knows.
        turn: "", "upside down", "mirrored" or "rows and columns swapped": what is done to the
            pictures first.
    """

    encoder: Any
    framing: Framing | None
    turn: str = ""

    def align(self, images: np.ndarray) -> Iterator[Aligned]:
        """Yield uint8 [N, S, S, 3] as the encoder takes them, batch by batch."""
        for start in range(0, len(images), BATCH):
            pixels = _TURNS[self.turn](to_tensor(images[start : start + BATCH]))
            yield self.encoder.align(pixels, self.framing)

    @property
    def alignment(self) -> tuple[Any, ...]:
        """What decides which pixels are made of a picture, up to colours and range."""
        return self.encoder.framing.points, self.encoder.alignment, self.turn, self.framing


_TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda images: images,
    "upside down": lambda images: images.flip(2),
    "mirrored": lambda images: images.flip(3),
    "rows and columns swapped": lambda images: images.transpose(2, 3),
}


@dataclass(frozen=True)
class Variant:
    """One thing done otherwise.

    Attributes:
        kind: "channels", "range", "framing", "alignment" or "orientation".
        name: what it is, as "BGR" or "framing arcface".
        remedy: what to do if it fits better.
        entries: what to write into the encoder's card; empty where that is not the remedy.
        input: the pictures' way with it.
    """

    kind: str
    name: str
    remedy: str
    entries: dict[str, Any]
    input: Input


def variants(now: Input) -> list[Variant]:
    """Return what can be tried on an encoder; see `Variant.kind`.

    Where the encoder's preprocessing is fixed (dlib), colours, range and framing are left out.
    """
    found: list[Variant] = []
    if now.encoder.preprocess is not None:
        found += [_channels(now), *_ranges(now), *_framings(now)]
    found.append(_alignment(now))  # after what needs the pictures aligned as they are
    for turn in _TURNS:
        if turn != now.turn:
            turned = turn or "as they are"
            remedy = f"have the pictures {turned} before templates are made of them"
            other = replace(now, turn=turn)
            found.append(Variant("orientation", f"pictures {turned}", remedy, {}, other))
    return found


def _in_card(now: Input, kind: str, name: str, entries: dict[str, Any]) -> Variant:
    """Return the variant whose remedy is "set channels: bgr in its card"."""
    remedy = f"set {', '.join(f'{key}: {value}' for key, value in entries.items())} in its card"
    other = replace(now, encoder=now.encoder.with_preprocess(**entries))
    return Variant(kind, name, remedy, entries, other)


def _channels(now: Input) -> Variant:
    preprocess = now.encoder.preprocess
    order = "rgb" if preprocess.channels == "bgr" else "bgr"
    entries: dict[str, Any] = {"channels": order}
    # Each colour keeps its own mean: they stand in the order of the channels.
    for name in ("mean", "std"):
        values = getattr(preprocess, name)
        if len(set(values)) > 1:
            entries[name] = list(values[::-1])
    return _in_card(now, "channels", order.upper(), entries)


def _ranges(now: Input) -> Iterator[Variant]:
    preprocess = now.encoder.preprocess
    order = slice(None, None, -1 if preprocess.channels == "bgr" else 1)
    tried = [_ends(preprocess.mean, preprocess.std)]
    for name, (mean, std) in RANGES.items():
        ends = _ends(mean[order], std[order])
        widths = [np.abs(other[1] - other[0]).min() for other in tried]
        gaps = [np.abs(ends - other).max() for other in tried]
        if all(gap >= ALIKE * width for gap, width in zip(gaps, widths, strict=True)):
            tried.append(ends)
            entries = {"mean": _short(mean[order]), "std": _short(std[order])}
            yield _in_card(now, "range", name, entries)


def _short(values: tuple[float, ...]) -> float | list[float]:
    return values[0] if len(set(values)) == 1 else list(values)


def _ends(mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """Return what pixels 0 and 255 become, float64 [2, 3]."""
    return (np.array([[0.0], [255.0]]) - np.array(mean)) / np.array(std)


def _framings(now: Input) -> Iterator[Variant]:
    for name, framing in FRAMINGS.items():
        if framing.points == now.encoder.framing.points:
            continue
        variant = _in_card(now, "framing", f"framing {name}", {"framing": name})
        if now.framing is None:  # from where to warp? only a detector can tell
            encoder = variant.input.encoder.with_preprocess(alignment="detect")
            align = f" and align the pictures (nbnet data align IN OUT --framing {name})"
            variant = replace(
                variant, remedy=variant.remedy + align, input=replace(now, encoder=encoder)
            )
        yield variant


def _alignment(now: Input) -> Variant:
    if now.encoder.alignment == "detect":
        name = "no detection, one fixed transform"
        variant = _in_card(now, "alignment", name, {"alignment": "framing"})
        return replace(variant, remedy=f"{variant.remedy} (--alignment framing)")
    name = "the face looked for in each picture"
    variant = _in_card(now, "alignment", name, {"alignment": "detect"})
    align = "align the pictures (nbnet data align IN OUT --encoder NAME)"
    return replace(variant, remedy=f"{align}, or {variant.remedy} (--alignment detect)")


@dataclass(frozen=True)
class Tried:
    """How well one way of feeding the network does.

    Attributes:
        kind: see `Variant`; "now" for the input as it is.
        name: what was tried.
        eer: equal error rate, 0 to 1; None where no templates could be made.
        d_prime: None likewise.
        gain: d' minus that of the input as it was in this round.
        low: lower end of the interval of ``gain``.
        high: upper end.
        better: whether it is called better.
        failed: why no templates could be made, or "".
    """

    kind: str
    name: str
    eer: float | None
    d_prime: float | None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    better: bool = False
    failed: str = ""


@dataclass(frozen=True)
class Finding:
    """A mistake, as far as the pictures show it.

    Attributes:
        kind: what is wrong.
        name: what fits better.
        remedy: what to do.
        entries: what to write into the card.
        eer: equal error rate with it, all findings before it kept.
        eer_before: without it.
        eer_difference: (low, high), 95 % interval of the difference over people.
    """

    kind: str
    name: str
    remedy: str
    entries: dict[str, Any]
    eer: float
    eer_before: float
    eer_difference: tuple[float, float]

    def __str__(self) -> str:
        low, high = (100 * end for end in self.eer_difference)
        expects = {"channels": "seems to expect", "range": "seems to expect"}
        expects["framing"] = "seems to expect the"
        return (
            f"this network {expects.get(self.kind, 'does better with')} {self.name}: EER "
            f"{100 * self.eer:.1f} % instead of {100 * self.eer_before:.1f} % (difference "
            f"{low:+.1f} to {high:+.1f} points, 95 % over people); {self.remedy}"
        )


@dataclass
class Diagnosis:
    """What `diagnose` found.

    Attributes:
        encoder: its name.
        people: how many people it rests on.
        pictures: how many pictures.
        findings: mistakes in the order in which they were found; empty for a right card.
        rounds: everything that was tried; the first of each round is the input as it was then.
        notes: what a reader must know to trust it.
        hopeless: whether nothing that was tried recognises people; then there are no findings.
    """

    encoder: str
    people: int
    pictures: int
    findings: list[Finding] = field(default_factory=list)
    rounds: list[list[Tried]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hopeless: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, as for JSON; "entries": what to write into the card."""
        entries = {key: value for found in self.findings for key, value in found.entries.items()}
        return asdict(self) | {"entries": entries, "told": [str(f) for f in self.findings]}


def diagnose(
    encoder: Any,
    protocol: Protocol,
    people: int = PEOPLE,
    resamples: int = 2000,
    seed: int = 0,
    progress: bool = False,
) -> Diagnosis:
    """Try the alternatives on pictures of a protocol and say which fit better.

    Args:
        encoder: from `create_encoder`.
        protocol: whose pictures are used; all pairs among those chosen are compared.
        people: that are drawn from it, at most; those with two pictures or more.
        resamples: of the bootstrap over people.
        seed: of the choice of people and of the bootstrap.
        progress: show a bar on stderr.

    Raises:
        NbnetError: too few people with two pictures, or pictures that cannot be read.
    """
    rows = _choose(protocol, people, seed)
    identities = protocol.pictures.identities[rows]
    images = protocol.pictures.read(rows, max(READ_SIZE, encoder.image_size))
    judge = _Judge(images, identities, resamples, seed)
    now = Input(encoder, protocol.pictures.framing)
    result = Diagnosis(encoder.name, len(np.unique(identities)), len(rows))
    standing = judge.measure(now)
    # Of the input as it is: what is tried later turns pictures upside down, where no detector
    # finds a face.
    n_attempted, n_detected = judge.counts()
    if standing.failed:
        result.notes.append(f"as it is, it gives no usable templates: {standing.failed}")
    for number in range(ROUNDS):
        settled = {finding.kind for finding in result.findings}
        others = [v for v in variants(now) if v.kind not in settled]
        bar = tqdm(others, desc=f"alternatives, round {number + 1}", disable=not progress)
        tried = [(v, judge.measure(v.input)) for v in bar]
        table = [standing.row("now", "as it is")]
        table += [_compare(v, fit, standing, judge, len(others)) for v, fit in tried]
        result.rounds.append(table)
        better = [pair for pair, row in zip(tried, table[1:], strict=True) if row.better]
        if not better:
            break
        best, fit = max(better, key=lambda pair: pair[1].d_prime)
        difference = judge.eer_difference(fit, standing)
        what = best.kind, best.name, best.remedy, best.entries
        result.findings.append(Finding(*what, fit.eer, standing.eer, difference))
        now, standing = best.input, fit
    if standing.eer > HOPELESS:
        result.hopeless = True
        result.findings.clear()
        del result.rounds[1:]
        result.notes.insert(
            0,
            f"with the best of all that was tried, the equal error rate is {standing.eer:.0%}: the "
            "network hardly tells these people apart, so nothing is said of its input; are these "
            "the right weights, and the right people on the pictures?",
        )
    elif any(
        row.name == "pictures upside down" and row.high is not None and row.high >= 0
        for row in result.rounds[-1]
    ):
        result.notes.append(
            "pictures upside down are recognised no worse: does the network look at something "
            "other than the face, such as the background?"
        )
    missed = n_attempted - n_detected
    if missed > 0.02 * n_attempted:
        result.notes.append(
            f"the detector found no face in {missed / n_attempted:.0%} of the pictures: larger "
            "margins around the faces may help it"
        )
    return result


def enough_people(protocol: Protocol) -> bool:
    """Whether `diagnose` finds `FEWEST` people with two pictures or more."""
    return len(_several(protocol)[2]) >= FEWEST


def _several(protocol: Protocol) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (rows that are compared, identities, people with two pictures or more)."""
    rows = np.unique(np.concatenate([trial.rows for trial in protocol.trials]))
    identities = protocol.pictures.identities[rows]
    people, counts = np.unique(identities, return_counts=True)
    return rows, identities, people[counts >= 2]


def _choose(protocol: Protocol, people: int, seed: int) -> np.ndarray:
    """Return rows of pictures: up to ``people`` people, up to `SAMPLES` pictures of each."""
    rows, identities, several = _several(protocol)
    if len(several) < FEWEST or people < FEWEST:
        raise NbnetError(
            f"{min(people, len(several))} people with two pictures or more are too few to compare "
            f"alternatives on: take {FEWEST} or more"
        )
    chosen = np.random.default_rng(seed).permutation(several)[:people]
    picked = [rows[identities == person][:SAMPLES] for person in np.sort(chosen)]
    return np.sort(np.concatenate(picked))


@dataclass
class _Fit:
    """One way of feeding the network, measured; of a failed one the rates are those of chance."""

    eer: float = 0.5
    d_prime: float = 0.0
    draws: np.ndarray = field(default_factory=lambda: np.zeros(1))  # d' in each draw of people
    pairs: tuple[Comparisons, Comparisons] | None = None
    failed: str = ""

    def row(self, kind: str, name: str) -> Tried:
        if self.failed:
            return Tried(kind, name, None, None, failed=self.failed)
        return Tried(kind, name, self.eer, self.d_prime)


class _Judge:
    """The pictures and the draws of people that all alternatives share."""

    def __init__(self, images: np.ndarray, identities: np.ndarray, resamples: int, seed: int):
        self.images, self.identities = images, identities
        self.bootstrap = IdentityBootstrap(identities, resamples, seed)
        self._aligned: tuple[Input, list[Aligned]] | None = None

    def measure(self, now: Input) -> _Fit:
        """Return how well it does; a network that fails on its input has failed, others have not.

        Looking for faces takes longest, and is done once for all that differs after it.
        """
        if self._aligned is None or now.alignment != self._aligned[0].alignment:
            aligned = list(now.align(self.images))
            if self._aligned is None or now.turn == "":
                self._aligned = (now, aligned)
        else:
            aligned = self._aligned[1]
        try:
            found = torch.cat([now.encoder(batch.pixels).cpu() for batch in aligned])
            pairs = all_pairs(found, self.identities)
            genuine, impostor = pairs
            apart = d_prime(genuine.scores, impostor.scores)
        except NbnetError as error:  # zeros, NaN, or one template for everybody
            return _Fit(failed=str(error))
        draws = d_prime_draws(self.bootstrap, genuine, impostor)
        return _Fit(eer(genuine.scores, impostor.scores), apart, draws, pairs)

    def counts(self) -> tuple[int, int]:
        """Return in how many of the pictures aligned last a face was looked for and found."""
        assert self._aligned is not None
        aligned = self._aligned[1]
        return sum(a.n_attempted for a in aligned), sum(a.n_detected for a in aligned)

    def eer_difference(self, a: _Fit, b: _Fit) -> tuple[float, float]:
        """Return the 95 % interval of a's equal error rate minus b's, the same people in both."""
        drawn = [
            np.array(0.5) if fit.pairs is None else self.bootstrap.eer(*fit.pairs) for fit in (a, b)
        ]
        return self.bootstrap.interval(drawn[0] - drawn[1])


def _compare(variant: Variant, fit: _Fit, now: _Fit, judge: _Judge, tests: int) -> Tried:
    """Return what was tried with its verdict against the input as it is."""
    row = fit.row(variant.kind, variant.name)
    if fit.failed:
        return row
    low, high = judge.bootstrap.interval(fit.draws - now.draws, 1 - 0.05 / tests)
    better = low > 0 and fit.d_prime >= MATERIAL * now.d_prime and fit.eer <= now.eer
    gain = fit.d_prime - now.d_prime
    return replace(row, gain=gain, low=low, high=high, better=better)


def d_prime_draws(
    bootstrap: IdentityBootstrap, genuine: Comparisons, impostor: Comparisons
) -> np.ndarray:
    """Return d' (`verification.d_prime`) in each draw of people, float64 [R].

    A genuine comparison counts as often as its person was drawn, an impostor comparison as often
    as both were drawn together. NaN where a draw holds no comparison of a kind, or no spread.
    """
    own = bootstrap.index(genuine.first)
    weights, n = bootstrap.weights.astype(np.float64), len(bootstrap.identities)

    def mated(values: np.ndarray) -> np.ndarray:
        return weights @ np.bincount(own, values, n)

    def others(values: np.ndarray) -> np.ndarray:
        return bootstrap.pair_sums(impostor.first, impostor.second, values)

    def moments(
        scores: np.ndarray, total: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        scores = scores.astype(np.float64)
        count = total(np.ones(len(scores)))
        mean = total(scores) / count
        return mean, total(scores**2) / count - mean**2

    with np.errstate(invalid="ignore", divide="ignore"):
        mean, variance = moments(genuine.scores, mated)
        other_mean, other_variance = moments(impostor.scores, others)
        return (mean - other_mean) / np.sqrt(np.maximum(variance + other_variance, 0) / 2)
