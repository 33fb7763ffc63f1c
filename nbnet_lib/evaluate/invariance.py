"""What does a recogniser look at? An invariance profile of any recogniser, and what it weighs.

    print(profile_encoder(create_encoder("synth"), {"dlib": create_encoder("dlib")}).to_frame())

Each person's first picture is changed in one thing (`conditions`) and compared with the plain
other pictures of everybody. The thresholds are set on plain pictures alone, so a change costs true
acceptances where the recogniser relied on what was changed, and costs false acceptances where it
takes people for each other without it. Then three questions that only drawn faces can answer, for
their truth is known:

- in which *groups* of ancestry, age and sex do the errors fall, plain and grey?
- what does it *weigh*: a ridge regression of strangers' scores on the differences of all
  parameters of the two people;
- with which other recogniser does it *agree* on who is alike: the rank correlation of the scores of
  strangers.

All intervals are of the bootstrap over people (`uncertainty`), with the threshold set anew in each
draw. Introduced in chapter 3.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from nbnet_lib.encoders.base import embed_counted
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.binomial import share_interval
from nbnet_lib.evaluate.conditions import (
    GREY,
    PLAIN,
    Condition,
    change_pixels,
    conditions,
    draw_changed,
)
from nbnet_lib.evaluate.probes import folds_by_identity
from nbnet_lib.evaluate.protocols import Protocol, synthfaces
from nbnet_lib.evaluate.protocols.pictures import Drawn
from nbnet_lib.evaluate.scores import Comparisons, all_pairs
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.evaluate.verification import check_far, far_at, tar_at, threshold_at_far

if TYPE_CHECKING:
    import pandas as pd

PEOPLE = 200
FEWEST = 10  # people that an interval needs
RIDGE_ALPHA = (1e1, 1e2, 1e3, 1e4, 1e5)
FOLDS, REFITS = 5, 30
LISTED = 24  # weights in the JSON
COLOUR_MATCHER = 0.5  # of the plain TAR must be left on grey pictures
AGES = {"18 to 29": (18, 30), "30 to 44": (30, 45), "45 to 59": (45, 60), "60 and over": (60, 200)}


@dataclass(frozen=True)
class ProfileOptions:
    """How much is measured.

    Attributes:
        people: the first so many of the set.
        samples: pictures of each person, 2 at least.
        fars: false acceptance rates that thresholds are set for; 0.001 is 0.1 %.
        resamples: of the bootstrap over people.
        seed: of the bootstrap, of the folds and of random changes.
    """

    people: int = PEOPLE
    samples: int = 2
    fars: Sequence[float] = (0.01, 0.001)
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Sort the FARs, the strictest last."""
        for far in self.fars:
            check_far(far)
        if self.people < FEWEST or self.samples < 2:
            raise NbnetError(
                f"{self.people} people with {self.samples} pictures each: a profile needs {FEWEST} "
                "people or more with 2 pictures"
            )
        object.__setattr__(self, "fars", sorted({float(far) for far in self.fars}, reverse=True))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval over people; None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Rates:
    """What one change does, by the FAR that the threshold was set for on plain pictures.

    Attributes:
        name: of the condition; "plain" for pictures as they are.
        what: what was changed.
        tar: share of genuine comparisons accepted, 0 to 1.
        kept: ``tar`` as a share of that of plain pictures, the same people in both; None where no
            plain picture is accepted.
        far: share of impostor comparisons accepted, a changed picture against plain ones.
        by: for a group, "ancestry", "sex" or "age"; impostors are of the same group then.
        group: which one.
        people: how many.
    """

    name: str
    what: str
    tar: dict[float, Estimate]
    kept: dict[float, Estimate | None]
    far: dict[float, Estimate]
    by: str = ""
    group: str = ""
    people: int = 0


@dataclass(frozen=True)
class Weights:
    """What a difference of two people does to their score.

    Attributes:
        r2: share of the variance of strangers' scores that the regression explains, for people
            that it was not fitted to; below 0 it is worse than their mean.
        people: how many.
        pairs: pairs of people.
        alpha: the ridge penalty.
        weights: {parameter: weight with interval}, the most negative first: by how many of their
            standard deviations scores change when the difference of this parameter grows by one of
            its own. The intervals are 1.96 standard errors long on either side, from fits to
            `REFITS` draws of people with the same penalty.
    """

    r2: float
    people: int
    pairs: int
    alpha: float
    weights: dict[str, Estimate]

    def largest(self, n: int = 12) -> dict[str, Estimate]:
        """Return the ``n`` parameters whose difference lowers scores most."""
        return dict(list(self.weights.items())[:n])


@dataclass
class Profile:
    """What `profile_encoder` measured of one recogniser.

    Attributes:
        encoder: its name.
        source: of the pictures.
        people: how many.
        pictures: of which templates were made, changed ones included.
        image_size: side of the pictures, pixels.
        fars: the strictest last.
        thresholds: {far: threshold on plain pictures}.
        rates: plain first, then each condition.
        groups: the rates within groups, plain and grey; empty for pictures without truth.
        weights: None for pictures without truth.
        agreement: {other recogniser: rank correlation of strangers' scores}.
        beside: {other recogniser: its profile, on the same pictures}.
        warnings: what makes this recogniser unfit to stand for others.
        notes: what a reader must know to trust the numbers.
        seconds: drawing included; what recognisers share is counted with each.
    """

    encoder: str
    source: str
    people: int
    pictures: int
    image_size: int
    fars: list[float]
    thresholds: dict[float, float]
    rates: list[Rates]
    groups: list[Rates] = field(default_factory=list)
    weights: Weights | None = None
    agreement: dict[str, Estimate] = field(default_factory=dict)
    beside: dict[str, Profile] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __getitem__(self, name: str) -> Rates:
        """Return the rates of one condition."""
        return {row.name: row for row in self.rates}[name]

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, as for JSON; of the weights the largest."""
        values = _with_text_keys(asdict(self))
        if self.weights is not None:
            largest = self.weights.largest(LISTED)
            values["weights"]["weights"] = {name: asdict(w) for name, w in largest.items()}
        values["beside"] = {name: other.to_dict() for name, other in self.beside.items()}
        return values

    def to_frame(self, far: float | None = None) -> pd.DataFrame:
        """Return a row per condition: TAR, what is kept of the plain TAR, FAR; TAR of others.

        ``far``: at whose threshold; None for the strictest.
        """
        import pandas as pd

        at = self.fars[-1] if far is None else far
        rows = [
            {"changed": row.name, "what": row.what, "TAR": row.tar[at].value,
             "low": row.tar[at].low, "high": row.tar[at].high,
             "kept": (row.kept[at] or Estimate(np.nan)).value, "FAR": row.far[at].value}
            | {f"TAR of {name}": other[row.name].tar[at].value
               for name, other in self.beside.items()}
            for row in self.rates
        ]  # fmt: skip
        return pd.DataFrame(rows).set_index("changed")


def _with_text_keys(value: Any) -> Any:
    """Return nested values with FARs as text, "0.001": JSON has no other keys."""
    if isinstance(value, dict):
        return {
            f"{key:g}" if isinstance(key, float) else key: _with_text_keys(inner)
            for key, inner in value.items()
        }
    return [_with_text_keys(v) for v in value] if isinstance(value, list) else value


def profile_encoder(
    encoder: Any,
    others: Mapping[str, Any] | None = None,
    options: ProfileOptions | None = None,
    protocol: Protocol | None = None,
    progress: bool = False,
) -> Profile:
    """Measure what a recogniser looks at.

    Args:
        encoder: from `create_encoder`.
        others: {name: recogniser} to measure beside it, on the same people.
        options: how much is measured.
        protocol: whose pictures are used; None for SynthFaces of the evaluation range. Of others
            only the pixels can be changed, and nothing is known about the people: then there are
            neither groups nor weights, and a note says so.
        progress: show bars on stderr.

    Raises:
        NbnetError: too few people with two pictures, a name twice, or pictures that cannot be read.
    """
    options, others = options or ProfileOptions(), others or {}
    require_others(encoder, others)
    encoders = {encoder.name: encoder, **others}
    if protocol is None:
        protocol = synthfaces(range(options.people), options.samples)
    chosen = _choose(protocol, options)
    looks = _look(encoders, protocol, chosen, options.seed, progress)
    profiles = {name: _measure(protocol, look, options) for name, look in looks.items()}
    result = profiles.pop(encoder.name)
    result.beside = profiles
    for name in profiles:
        result.agreement[name] = agreement(looks[encoder.name], looks[name], options)
    return result


def require_others(encoder: Any, others: Mapping[str, Any]) -> None:
    """Raise where a recogniser is to stand beside itself.

    Raises:
        NbnetError: its name is among the others'.
    """
    if encoder.name in others:
        raise NbnetError(
            f"{encoder.name} is the recogniser that is profiled: name another one beside it"
        )


@dataclass(frozen=True)
class _Chosen:
    """Rows of a protocol's pictures: some of each of some people, each person's first one first."""

    rows: np.ndarray
    identities: np.ndarray  # int64 [len(rows)], rising

    @property
    def first(self) -> np.ndarray:
        """Where each person's first picture stands among the rows, int64 [people]."""
        return np.unique(self.identities, return_index=True)[1]


def _choose(protocol: Protocol, options: ProfileOptions) -> _Chosen:
    rows = np.unique(np.concatenate([trial.rows for trial in protocol.trials]))
    identities = protocol.pictures.identities[rows]
    people, counts = np.unique(identities, return_counts=True)
    several = people[counts >= 2][: options.people]
    if len(several) < FEWEST:
        raise NbnetError(
            f"{len(several)} people with two pictures or more are too few for a profile: give "
            f"{FEWEST} or more"
        )
    picked = np.concatenate([rows[identities == who][: options.samples] for who in several])
    return _Chosen(picked, protocol.pictures.identities[picked])


@dataclass
class Look:
    """Templates that one recogniser gives: of plain pictures, and of each person's changed first.

    Attributes:
        encoder: the recogniser.
        identities: int64 [N], rising, who is on each plain picture.
        plain: float32 [N, d].
        changed: {condition: float32 [P, d]}, of the first picture of each person.
        conditions: what was changed.
        missed: in how many pictures its detector found no face.
        seconds: of drawing and embedding.
    """

    encoder: Any
    identities: np.ndarray
    plain: np.ndarray
    changed: dict[str, np.ndarray]
    conditions: list[Condition]
    missed: int = 0
    seconds: float = 0.0


def _look(
    encoders: Mapping[str, Any],
    protocol: Protocol,
    chosen: _Chosen,
    seed: int,
    progress: bool,
) -> dict[str, Look]:
    """Return the templates of each recogniser; each gets the pictures in its own size."""
    pictures, looks = protocol.pictures, {}
    every = conditions(pictures.framing)
    if not isinstance(pictures.where, Drawn):
        every = [condition for condition in every if condition.pixels is not None]
    probes = chosen.first
    sizes = dict.fromkeys(encoder.image_size for encoder in encoders.values())
    total = len(encoders) * (len(chosen.rows) + len(probes) * len(every))
    with tqdm(total=total, desc="profile", unit="image", disable=not progress) as bar:
        for size in sizes:
            start = time.perf_counter()
            pictures.where.prepare(size, progress)
            plain = pictures.read(chosen.rows, size)
            images = {PLAIN: plain}
            for condition in every:
                if condition.pixels is not None:
                    images[condition.name] = change_pixels(plain[probes], condition, seed)
            drawn = {c.name: c.scene for c in every if c.scene is not None}
            if isinstance(pictures.where, Drawn):
                at = chosen.rows[probes]
                who, what = pictures.where.numbers[at], pictures.where.samples[at]
                redrawn = draw_changed(who, what, size, list(drawn.values()))
                images |= dict(zip(drawn, redrawn, strict=True))
            shared = time.perf_counter() - start
            for name, encoder in encoders.items():
                if encoder.image_size != size:
                    continue
                start = time.perf_counter()
                look = Look(encoder, chosen.identities, np.empty(0), {}, every)
                for changed, batch in images.items():
                    found = embed_counted(encoder, batch, pictures.framing)
                    look.changed[changed] = found.templates.numpy()
                    look.missed += found.n_attempted - found.n_detected
                    bar.update(len(batch))
                look.plain = look.changed.pop(PLAIN)
                look.seconds = shared + time.perf_counter() - start
                looks[name] = look
    return {name: looks[name] for name in encoders}


def compare_with_gallery(
    probes: np.ndarray, owners: np.ndarray, gallery: np.ndarray, whose: np.ndarray
) -> tuple[Comparisons, Comparisons]:
    """Compare every probe with every template of a gallery, and keep all: (genuine, impostor).

    Args:
        probes: float32 [P, d], unit length.
        owners: int64 [P].
        gallery: float32 [G, d], unit length.
        whose: int64 [G].
    """
    scores = np.clip(probes @ gallery.T, -1, 1).astype(np.float32)
    same = owners[:, None] == whose[None]
    first, second = np.broadcast_arrays(owners[:, None], whose[None])
    genuine, impostor = (
        Comparisons(scores[mask], first[mask], second[mask]) for mask in (same, ~same)
    )
    return genuine, impostor


def _measure(protocol: Protocol, look: Look, options: ProfileOptions) -> Profile:
    """Return all numbers of one recogniser; beside others it knows nothing of them."""
    start = time.perf_counter()
    notes: list[str] = []
    who = look.identities
    draws = IdentityBootstrap(who, options.resamples, options.seed, notes)
    impostor = all_pairs(look.plain, who)[1]
    limits = {
        far: (threshold_at_far(impostor.scores, far, notes), draws.threshold(impostor, far))
        for far in options.fars
    }
    first = np.unique(who, return_index=True)[1]
    gallery = np.setdiff1d(np.arange(len(who)), first)
    probes = {PLAIN: look.plain[first], **look.changed}
    meter = _Meter(draws, limits, who[first], look.plain[gallery], who[gallery])
    what = {PLAIN: "as it is"} | {c.name: c.what for c in look.conditions}
    rates = [meter.rates(probes, name, what[name]) for name in probes]
    drawn = isinstance(protocol.pictures.where, Drawn)
    groups, weights = [], None
    if drawn:
        numbers = protocol.pictures.where.numbers  # type: ignore[union-attr]
        codes = protocol.pictures.identities
        people = numbers[np.unique(codes, return_index=True)[1]][np.unique(who)]
        groups = _groups(meter, probes, people, what)
        weights = weigh(*stranger_scores(look), differences(people), options.seed)
    else:
        notes.append(
            "these pictures were not drawn: only their pixels can be changed, and there is no "
            "truth about their people, so glasses, hair, age, pose, light, groups and weights are "
            "missing"
        )
    if look.missed:
        notes.append(
            f"the detector of {look.encoder.name} found no face in {look.missed:,} of the "
            "pictures: their templates were taken where the framing puts the face"
        )
    profile = Profile(
        encoder=look.encoder.name,
        source=protocol.source,
        people=len(first),
        pictures=len(who) + sum(map(len, look.changed.values())),
        image_size=look.encoder.image_size,
        fars=list(options.fars),
        thresholds={far: value for far, (value, _) in limits.items()},
        rates=rates,
        groups=groups,
        weights=weights,
        notes=list(dict.fromkeys(notes)),
    )
    profile.warnings = _warnings(profile)
    profile.seconds = look.seconds + time.perf_counter() - start
    return profile


def _warnings(profile: Profile) -> list[str]:
    """Return what makes the recogniser a colour matcher, at the strictest FAR that says it."""
    for far in reversed(profile.fars):
        plain, left = profile[PLAIN].tar[far].value, profile[GREY].kept[far]
        if left is not None and left.value < COLOUR_MATCHER:
            tar = profile[GREY].tar[far].value
            return [
                f"colour matcher: of a TAR of {100 * plain:.1f} % at FAR {100 * far:g} %, "
                f"{100 * tar:.1f} % are left on grey pictures. It tells people apart by colours, "
                "which recognisers of photographs do not: what is measured with it does not carry "
                "over to them"
            ]
    return []


@dataclass(frozen=True)
class _Meter:
    """Rates of probes against one gallery at thresholds that are set."""

    draws: IdentityBootstrap
    limits: dict[float, tuple[float, np.ndarray]]  # {far: (threshold, in each draw)}
    owners: np.ndarray
    gallery: np.ndarray
    whose: np.ndarray

    def within(self, people: np.ndarray) -> tuple[_Meter, np.ndarray]:
        """Return the meter of a group of people, and which probes are theirs, bool [P]."""
        mine, theirs = np.isin(self.owners, people), np.isin(self.whose, people)
        part = self.gallery[theirs], self.whose[theirs]
        return _Meter(self.draws, self.limits, self.owners[mine], *part), mine

    def rates(self, probes: Mapping[str, np.ndarray], name: str, what: str) -> Rates:
        """Return the rates of the probes ``name``, and their TAR relative to the plain ones."""
        plain, _ = compare_with_gallery(probes[PLAIN], self.owners, self.gallery, self.whose)
        genuine, impostor = compare_with_gallery(
            probes[name], self.owners, self.gallery, self.whose
        )
        row = Rates(name, what, {}, {}, {}, people=len(self.owners))
        for far, (limit, drawn) in self.limits.items():
            tar, tars = tar_at(genuine.scores, limit), self.draws.tar_at(genuine, drawn)
            ends = self.draws.interval(tars)
            accepted = genuine.scores > np.float64(limit)
            row.tar[far] = Estimate(tar, *share_interval(accepted, genuine.first, ends))
            row.kept[far] = self._kept(tar, tars, plain, limit, drawn)
            row.far[far] = self._false(impostor, limit, drawn)
        return row

    def _kept(
        self, tar: float, tars: np.ndarray, plain: Comparisons, limit: float, drawn: np.ndarray
    ) -> Estimate | None:
        before = tar_at(plain.scores, limit)
        if not before:
            return None
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = tars / self.draws.tar_at(plain, drawn)
        shares = np.where(np.isfinite(shares), shares, np.nan)
        return Estimate(tar / before, *self.draws.interval(shares))

    def _false(self, impostor: Comparisons, limit: float, drawn: np.ndarray) -> Estimate:
        far = far_at(impostor.scores, limit)
        if not far:  # the draws of nobody say nothing of others
            return Estimate(0.0)
        return Estimate(far, *self.draws.interval(self.draws.far_at(impostor, drawn)))


def _groups(
    meter: _Meter, probes: Mapping[str, np.ndarray], people: np.ndarray, what: Mapping[str, str]
) -> list[Rates]:
    """Return plain and grey rates within each group of `FEWEST` people or more.

    ``people``: int64 [I], SynthFaces identities in the order of the meter's draws.
    """
    from nbnet_lib.faces import table

    truth = table(people, columns=["ancestry_main", "gender", "age_years"])
    age = truth["age_years"].to_numpy()
    groups = {
        ("ancestry", v): truth["ancestry_main"] == v for v in sorted(set(truth["ancestry_main"]))
    }
    groups |= {("sex", v): truth["gender"] == v for v in sorted(set(truth["gender"]))}
    groups |= {("age", v): (low <= age) & (age < high) for v, (low, high) in AGES.items()}
    rows = []
    for (by, group), members in groups.items():
        part, mine = meter.within(meter.draws.identities[np.asarray(members)])
        if len(part.owners) < FEWEST:
            continue
        theirs = {name: probes[name][mine] for name in (PLAIN, GREY)}
        for name in theirs:
            row = part.rates(theirs, name, what[name])
            rows.append(Rates(**{**vars(row), "by": by, "group": group}))
    return rows


def stranger_scores(look: Look) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (scores float64 [n (n - 1) / 2], first, second) of all pairs of two of the n people.

    A score is the mean over all pictures of the one with all of the other, plain; the people are
    numbered 0 to n - 1 in rising order of their identity.
    """
    _, starts, counts = np.unique(look.identities, return_index=True, return_counts=True)
    mean = np.add.reduceat(look.plain.astype(np.float64), starts) / counts[:, None]
    first, second = np.triu_indices(len(mean), 1)
    return (mean @ mean.T)[first, second], first, second


def agreement(mine: Look, theirs: Look, options: ProfileOptions) -> Estimate:
    """Return Spearman's rank correlation of two recognisers' scores of strangers, -1 to 1.

    In each draw of people the ranks stay those among all of them.
    """
    from scipy.stats import rankdata

    scores, first, second = stranger_scores(mine)
    x, y = (rankdata(s) - (len(s) + 1) / 2 for s in (scores, stranger_scores(theirs)[0]))
    draws = IdentityBootstrap(np.arange(second.max() + 1), options.resamples, options.seed)

    def sums(values: np.ndarray) -> np.ndarray:
        return draws.pair_sums(first, second, values)

    n, sx, sy = sums(np.ones(len(x))), sums(x), sums(y)
    spreads = (sums(x * x) - sx**2 / n) * (sums(y * y) - sy**2 / n)
    drawn = (sums(x * y) - sx * sy / n) / np.sqrt(spreads)
    return Estimate(float(np.corrcoef(x, y)[0, 1]), *draws.interval(drawn))


def differences(people: np.ndarray) -> pd.DataFrame:
    """Return how much each two of n people differ, [n (n - 1) / 2 rows, a column per parameter].

    All parameters of a person: of numbers the difference, of a choice for each of its values
    whether one of the two has it and the other not. Left out are the seeds of random patterns, and
    parameters in which all are alike.
    """
    import pandas as pd

    from nbnet_lib.faces import table

    truth = table(people).drop(columns="identity")
    truth = truth.drop(columns=[name for name in truth if name.endswith("_seed")])
    words = list(truth.select_dtypes(exclude=["number", "bool"]))
    # Of two values one column says all.
    paired = [name for name in words if truth[name].nunique() == 2]
    truth = pd.get_dummies(truth, columns=paired, drop_first=True, prefix_sep="=")
    truth = pd.get_dummies(truth, columns=[w for w in words if w not in paired], prefix_sep="=")
    values = truth.to_numpy(np.float64)
    first, second = np.triu_indices(len(people), 1)
    apart = pd.DataFrame(np.abs(values[first] - values[second]), columns=truth.columns)
    return apart.loc[:, apart.std() > 0]


def weigh(
    scores: np.ndarray, first: np.ndarray, second: np.ndarray, apart: pd.DataFrame, seed: int = 0
) -> Weights:
    """Regress strangers' scores on the differences of the two people, with a ridge penalty.

    Five folds of *people*: a fold is predicted, pairs of two of its people, from the pairs of which
    neither is in it; pairs between the two sides are left out, so nobody is on both. The penalty
    is that of five candidates with the least error over all folds.

    Args:
        scores: float64 [n], mean score of each pair.
        first: int64 [n], one person of the pair.
        second: int64 [n], the other.
        apart: n rows, a column per parameter, from `differences`.
        seed: of the folds.
    """
    from sklearn.linear_model import Ridge

    x, y = apart.to_numpy(np.float64), np.asarray(scores, np.float64)
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    people, codes = np.unique([first, second], return_inverse=True)
    errors, spread = np.zeros(len(RIDGE_ALPHA)), 0.0
    for _, held in folds_by_identity(people, FOLDS, seed):
        outside = np.isin([first, second], people[held])
        fit, test = ~outside.any(0), outside.all(0)
        ridge = Ridge(np.array(RIDGE_ALPHA)).fit(x[fit], np.tile(y[fit, None], len(RIDGE_ALPHA)))
        errors += ((ridge.predict(x[test]) - y[test, None]) ** 2).sum(0)
        spread += float(((y[test] - y[fit].mean()) ** 2).sum())
    best = int(errors.argmin())
    alpha = RIDGE_ALPHA[best]
    whole = Ridge(alpha).fit(x, y).coef_
    # Half the digits, twice the speed: enough for a standard error.
    x, (a, b) = x.astype(np.float32), codes.reshape(2, -1)
    drawn = IdentityBootstrap(people, REFITS, seed).weights
    sd = np.std([_ridge(x, y, w[a] * w[b], alpha) for w in drawn], axis=0, ddof=1)
    weights = {
        str(apart.columns[k]): Estimate(
            float(whole[k]), float(whole[k] - 1.96 * sd[k]), float(whole[k] + 1.96 * sd[k])
        )
        for k in np.argsort(whole)
    }
    return Weights(1 - errors[best] / spread, len(people), len(y), alpha, weights)


def _ridge(x: np.ndarray, y: np.ndarray, counts: np.ndarray, alpha: float) -> np.ndarray:
    """Return the coefficients where row i is there ``counts[i]`` times, [parameters]."""
    there = counts > 0
    x, y, counts = x[there], y[there], counts[there].astype(np.float32)
    x = (x - np.average(x, axis=0, weights=counts)) * np.sqrt(counts)[:, None]
    y = (y - np.average(y, weights=counts)) * np.sqrt(counts)
    gram = x.T @ x + alpha * np.eye(x.shape[1], dtype=np.float32)
    return np.linalg.solve(gram, x.T @ y)
