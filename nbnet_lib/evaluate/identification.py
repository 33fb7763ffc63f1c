"""Identification measured: rank-k and CMC (closed set), DIR at FAR (open set).

A probe is compared with everybody in a gallery. ISO/IEC 19795-1 calls a probe *mated* when its
person is in the gallery. In the *closed set* every probe is, and the question is at which rank the
person comes: rank-k is the share of probes whose person is among the first k, the CMC that share
over k. In the *open set* others ask too, and a threshold has to keep them out: DIR, the detection
and identification rate (1 - FNIR), is the share of mated probes whose person comes at rank k or
better *and* scores above the threshold, at a FAR (FPIR) that counts the non-mated probes with
anybody above it. The paper's use on color FERET: the gallery is partition fa, the probes are the
reconstructions from fa and from fb.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numba
import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.scores import (
    GALLERY_AT_ONCE,
    Identities,
    Mates,
    Templates,
    as_two_sets,
    cosines,
    on_all_cores,
    score_blocks,
)

# Scores closer than this are equal: so much does the rounding of float32 move the cosine of the
# very same two templates with their place in a matrix product.
TIE = 5e-7

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@compiled
def count_better(scores, subject, mate, limit, best, best_subject, better, last):
    """Bring the state of each probe up to date with one more block of the gallery.

    The gallery is walked subject by subject, so a subject that was counted is recognised by being
    the last one counted; no score per subject is kept.

    Args:
        scores: float32 [P, g].
        subject: int64 [g], rising: who each column is, as a number from 0.
        mate: int64 [P], the number of the probe's person, -1 without a mate.
        limit: float32 [P], subjects with a score as high are counted.
        best: float32 [P], highest score of any other subject so far, written.
        best_subject: int64 [P], who that is, written.
        better: int64 [P], other subjects that reach the limit so far, written.
        last: int64 [P], the last one counted, written.
    """
    for i in range(scores.shape[0]):
        row, me, least, top = scores[i], mate[i], limit[i], best[i]
        for j in range(row.shape[0]):
            s = row[j]
            if (s >= least or s > top) and subject[j] != me:
                if s > top:
                    top = s
                    best_subject[i] = subject[j]
                if s >= least and subject[j] != last[i]:
                    better[i] += 1
                    last[i] = subject[j]
        best[i] = top


@dataclass(frozen=True)
class Identification:
    """What `search` found.

    Attributes:
        probe_identities: int64 [P].
        mated: bool [P], whether the gallery has the person.
        mate_score: float32 [P], highest score with a template of the probe's person; -inf without.
        rank: int64 [P], 1 is best; 0 for non-mated probes.
        top_score: float32 [P], highest score with anybody.
        top_identity: int64 [P], who that is.
    """

    probe_identities: np.ndarray
    mated: np.ndarray
    mate_score: np.ndarray = field(repr=False)
    rank: np.ndarray = field(repr=False)
    top_score: np.ndarray = field(repr=False)
    top_identity: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.rank)

    def _mated_ranks(self) -> np.ndarray:
        if not self.mated.any():
            raise NbnetError(
                f"none of the {len(self)} probes shows a person of the gallery: ranks need mates"
            )
        return self.rank[self.mated]

    def rank_rate(self, k: int = 1) -> float:
        """Return the share of mated probes whose person is among the first ``k``, 0 to 1."""
        return float((self._mated_ranks() <= k).mean())

    def cmc(self, max_rank: int = 20) -> np.ndarray:
        """Return the cumulative match characteristic, float64 [max_rank]: rank-1, rank-2, ..."""
        ranks = self._mated_ranks()
        counts = np.bincount(np.minimum(ranks, max_rank + 1), minlength=max_rank + 2)
        return np.cumsum(counts[1 : max_rank + 1]) / len(ranks)


def search(
    probes: Templates,
    probe_identities: Identities,
    gallery: Templates,
    gallery_identities: Identities,
    progress: bool = False,
) -> Identification:
    """Look for every probe in the gallery.

    Persons are ranked, not pictures: a person's score is the highest of their templates. The rank
    of a probe's own person is 1 + the number of *other* persons whose score is as high or higher.
    So ties count against the system: a constant score, or one template enrolled under two names,
    identifies nobody, and an order that the sorting happened to choose earns no hit. Scores within
    5e-7, the rounding of float32, are ties.

    On all cores; besides the two sets some 10 MB per core are needed, and 30 bytes per template of
    the gallery.

    Args:
        probes: float [P, d].
        probe_identities: whole numbers [P]; probes of a person who is not in the gallery are
            non-mated.
        gallery: float [G, d]; not copied when it is float32 and of unit length already.
        gallery_identities: whole numbers [G].
        progress: show a bar on stderr.
    """
    x, who, y, whose = as_two_sets(probes, probe_identities, gallery, gallery_identities)
    mates = Mates(who, whose)
    people, subject = np.unique(whose[mates.order], return_inverse=True)
    order = None if (np.diff(whose) >= 0).all() else mates.order
    mated = np.diff(mates.starts) > 0
    mate = np.where(mated, np.searchsorted(people, who), -1)
    mate_score = np.full(len(x), -np.inf, np.float32)
    top_score = np.full(len(x), -np.inf, np.float32)
    top = np.full(len(x), -1)
    better = np.zeros(len(x), np.int64)

    def search_stripe(start: int, stop: int) -> None:
        part = slice(start, stop)
        probe, row = mates.of(start, stop)
        np.maximum.at(mate_score, probe, cosines(x, y, probe, row))
        limit = np.where(mated[part], mate_score[part] - np.float32(TIE), np.float32(np.inf))
        last = np.full(stop - start, -1)
        for left, score in score_blocks(x[part], y, GALLERY_AT_ONCE, order):
            here = subject[left : left + score.shape[1]]
            state = top_score[part], top[part], better[part]
            count_better(score, here, mate[part], limit, *state, last)

    on_all_cores(len(x), search_stripe, progress, "search")
    # The person comes first where nobody else is as good.
    first = mated & (better == 0)
    return Identification(
        probe_identities=who,
        mated=mated,
        mate_score=mate_score,
        rank=np.where(mated, 1 + better, 0),
        top_score=np.where(first, mate_score, np.clip(top_score, -1, 1)),
        top_identity=np.where(first, who, people[top]),
    )
