"""Checks of chapter 02, Verifying and identifying."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_checks.base import Answer, Wrong, call, close, describe, exercise, number, pair, short


@exercise(
    "2.1 ★ counting comparisons",
    "n things make n * (n - 1) / 2 unordered pairs; do it once for the samples of one person "
    "and once for all pictures",
    "genuine = people * samples * (samples - 1) // 2; impostor = all pairs - genuine",
)
def _count_pairs(count_pairs: Answer) -> str:
    for people, samples in ((3, 2), (300, 6), (20, 4), (5, 1)):
        genuine = people * samples * (samples - 1) // 2
        images = people * samples
        impostor = images * (images - 1) // 2 - genuine
        raw = count_pairs.call(people, samples, returns="(genuine, impostor)")
        first, second = count_pairs.pair(raw, "genuine, impostor")
        got = count_pairs.number(first), count_pairs.number(second)
        if got == (genuine, impostor):
            continue
        if got == (impostor, genuine):
            why = "swapped; genuine comes first"
        elif got == (2 * genuine, 2 * impostor):
            why = "A with B and B with A are one comparison; halve both"
        elif got[0] == people * samples * (samples + 1) // 2 or got[0] == people * samples**2:
            why = "a picture is not compared with itself"
        elif got[0] == 2 * genuine or got[1] == 2 * impostor:
            why = "A with B and B with A are one comparison"
        elif got[0] == genuine and got[1] == images * (images - 1) // 2:
            why = "impostor pairs are all pairs less the genuine ones"
        elif got[0] == genuine and got[1] == people * (people - 1) // 2:
            why = "each pair of people gives samples * samples comparisons"
        elif got[0] == samples * (samples - 1) // 2:
            why = "that is one person's; there are `people` of them"
        else:
            why = "count pairs of pictures: same person, then the rest"
        raise count_pairs.wrong(
            f"{people} people x {samples} pictures: expected {genuine:,} genuine and "
            f"{impostor:,} impostor pairs, got {short(got[0])} and {short(got[1])}",
            why,
        )
    return "300 people x 6 pictures make 4,500 genuine and 1,614,600 impostor comparisons"


@exercise(
    "2.2 ★★ threshold at a FAR",
    "how many false accepts k does the FAR allow among n impostor scores? Sort the scores and "
    "find the score that just those k lie above",
    "k = int(np.floor(far * n)); np.sort(impostor)[::-1][k]",
)
def _threshold(threshold_at_far: Answer) -> str:
    rng = np.random.default_rng(22)
    plain = rng.normal(0.1, 0.15, 1000)
    ties = np.round(rng.normal(0.1, 0.15, 400), 1)
    odd = rng.normal(0.0, 0.2, 150)
    cases = (plain, 0.01), (plain, 0.1), (odd, 0.01), (ties, 0.05), (plain, 0.001), (odd, 0.001)
    for scores, far in cases:  # the last allows none
        k = int(np.floor(far * scores.size + 1e-9))
        want = np.sort(scores)[::-1][k]
        try:
            raw = threshold_at_far.call(scores, far, returns="a score")
        except Wrong as wrong:
            if "integer" in str(wrong):  # numpy's words for an index that is a float
                hint = "np.floor gives a float, and an index must be an int: int(np.floor(far * n))"
                raise Wrong(str(wrong), hint) from wrong
            raise
        got = threshold_at_far.number(raw)
        accepted, fair = int((scores > got).sum()), int((scores > want).sum())
        if accepted == fair:
            continue
        message = f"FAR {far:.1%} of {scores.size} impostors allows {k}, yours accepts {accepted}"
        if k == 0:
            why = "k = 0: no impostor may pass, so the threshold is the largest score"
        elif close(got, np.sort(scores)[k], 1e-9):
            why = "you counted from the low end; the false accepts are the highest scores"
        elif close(got, np.sort(scores)[::-1][max(k - 1, 0)], 1e-9):
            why = "one too strict: exactly k scores may lie above, so take the one after those k"
        elif scores is ties:
            why = (
                "scores that equal the threshold must be refused together: accept means > threshold"
            )
        elif accepted > k and close(got, float(np.quantile(scores, 1 - far)), 1e-9):
            why = "np.quantile interpolates and may let one too many in; take a sorted score"
        elif accepted > k:
            why = "too lenient: at most k impostors may score above the threshold"
        else:
            why = "too strict: the threshold may come down until k impostors are above it"
        raise threshold_at_far.wrong(message, why)
    return "as lenient as the FAR allows and no more, ties included"


@exercise(
    "2.3 ★ TAR at a threshold",
    "which share of the genuine scores is accepted?",
    "np.mean(genuine > threshold)",
)
def _tar(tar_at: Answer) -> str:
    rng = np.random.default_rng(23)
    smooth = rng.normal(0.6, 0.15, 500)
    ties = np.array([0.2, 0.5, 0.5, 0.7, 0.9])
    for genuine, threshold in ((smooth, 0.45), (ties, 0.5), (smooth, 0.8)):
        want = float((genuine > threshold).mean())
        raw = tar_at.call(genuine, threshold, returns="a share from 0 to 1")
        if np.size(raw) > 1:
            raise tar_at.wrong(f"expected one number, got {describe(raw)}", "average it")
        got = tar_at.number(raw)
        if close(got, want, 1e-6):
            continue
        if close(got, 100 * want, 1e-6):
            why = "that is in per cent; give a share from 0 to 1"
        elif close(got, want * genuine.size, 1e-6):
            why = "that is a count; divide by the number of genuine comparisons"
        elif close(got, float((genuine >= threshold).mean()), 1e-6):
            why = "a score that equals the threshold is refused: use >, as the threshold was made"
        elif close(got, 1 - want, 1e-6) or close(got, float((genuine < threshold).mean()), 1e-6):
            why = "that is the share refused (the false reject rate)"
        else:
            why = "the share of genuine scores above the threshold"
        raise tar_at.wrong(f"expected {want:.3f}, got {short(got)}", why)
    return "the share of genuine comparisons above the threshold"


@exercise(
    "2.4 ★★ bootstrap over identities",
    "comparisons of one person stand or fall together, so draw people (rows) with replacement, "
    "not single comparisons",
    "for each repeat: rows = rng.integers(0, people, people); keep accepted[rows].mean(); at "
    "the end np.quantile(values, [0.025, 0.975])",
)
def _bootstrap(bootstrap_interval: Answer) -> str:
    people, pairs, repeats = 60, 15, 1500
    rng = np.random.default_rng(24)
    # Everybody is either always or never accepted: only whole rows tell how uncertain the TAR is.
    accepted = np.repeat(rng.permutation(np.arange(people) < 45)[:, None], pairs, axis=1)
    draws = rng.integers(0, people, (4000, people))
    low, high = np.quantile(accepted[:, 0][draws].mean(axis=1), [0.025, 0.975])
    got = _interval(bootstrap_interval.value, accepted, repeats)
    if got[0] > got[1]:
        raise bootstrap_interval.wrong(
            f"low {got[0]:.3f} is above high {got[1]:.3f}", "return low first"
        )
    if got[1] > 1.0001:
        raise bootstrap_interval.wrong(
            f"got {got[0]:.1f} to {got[1]:.1f}", "give shares from 0 to 1"
        )
    width, want = got[1] - got[0], high - low
    message = f"expected about {low:.2f} to {high:.2f}, got {got[0]:.2f} to {got[1]:.2f}"
    if width < 0.5 * want:
        if abs(got[0] + got[1] - 1.5) > 0.1:
            raise bootstrap_interval.wrong(message, "take the quantiles of the resampled TARs")
        if width == 0:
            why = "your draws do not change the TAR: draw rows (people), anew and with replacement"
            raise bootstrap_interval.wrong(message, why)
        raise bootstrap_interval.wrong(
            message,
            "too narrow: draw people (rows) with replacement, not single "
            "comparisons; a person's comparisons are not independent",
        )
    if width < 0.91 * want:
        raise bootstrap_interval.wrong(message, "is it 95 %, from the 0.025 to the 0.975 quantile?")
    if width > 1.2 * want:
        raise bootstrap_interval.wrong(
            message,
            "too wide: draw as many people as there are, and take the 0.025 "
            "and 0.975 quantiles, not the extremes",
        )
    if abs(got[0] - low) > 0.05 or abs(got[1] - high) > 0.05:
        raise bootstrap_interval.wrong(
            message, "the interval lies around the TAR of all people, 0.75 here"
        )
    # Rows of all kinds and few repeats: two honest draws hardly ever give the same interval.
    mixed = rng.random((people, pairs)) < rng.random((people, 1))
    if len({_interval(bootstrap_interval.value, mixed, 20) for _ in range(3)}) > 1:
        message = "two calls with the same rng gave two intervals"
        raise bootstrap_interval.wrong(message, "draw with `rng`, not with np.random")
    for end in (0, people - 1):
        one_fails = np.ones((people, pairs), dtype=bool)
        one_fails[end] = False
        if _interval(bootstrap_interval.value, one_fails, repeats)[0] > 0.999:
            message = f"only person {end} fails, and your low end is 100 %"
            raise bootstrap_interval.wrong(
                message, f"is person {end} ever drawn? rng.integers(0, n) gives 0 to n - 1"
            )
    return "wide enough, because people were drawn and not comparisons"


def _interval(bootstrap_interval: Any, accepted: np.ndarray, repeats: int) -> tuple[float, float]:
    """Return the learner's (low, high), always from the same seed."""
    name = "bootstrap_interval"
    rng = np.random.default_rng(1)
    raw = call(name, bootstrap_interval, accepted, rng, repeats, returns="(low, high)")
    if isinstance(raw, np.ndarray) and raw.shape == (2,):
        raw = tuple(raw)
    first, second = pair(name, raw, "low, high")
    return number(name, first), number(name, second)


@exercise(
    "2.5 ★★ rank-k rate",
    "take each probe's score with its own person, and count how many of its row score "
    "at least as high (itself included)",
    "own = scores[np.arange(len(scores)), mates]; rank = (scores >= own[:, None]).sum(axis=1); "
    "the share with rank <= k",
)
def _rank(rank_rate: Answer) -> str:
    rng = np.random.default_rng(25)
    for probes, people, k in ((200, 30, 5), (200, 30, 1), (90, 12, 3)):
        scores = rng.normal(0, 0.2, (probes, people))
        mates = rng.integers(0, people, probes)
        rows = np.arange(probes)
        scores[rows, mates] += 0.4
        own = scores[rows, mates][:, None]
        want = float(((scores >= own).sum(axis=1) <= k).mean())
        try:
            raw = rank_rate.call(scores, mates, k, returns="a share from 0 to 1")
        except Wrong as wrong:
            if "broadcast" in str(wrong):  # scores[:, mates] is [probes, probes]
                message = "one score per row: scores[np.arange(len(scores)), mates][:, None]"
                raise Wrong(str(wrong), message) from wrong
            raise
        got = rank_rate.number(raw)
        if not close(got, want, 1e-6):
            raise rank_rate.wrong(
                f"rank-{k} of {probes} probes: expected {want:.3f}, got {short(got)}",
                _rank_slip(got, want, scores, mates, k),
            )
    same = np.full((40, 10), 0.5)
    mates = rng.integers(0, 10, 40)
    got = rank_rate.number(rank_rate.call(same, mates, 1, returns="a share from 0 to 1"))
    if got > 0.5:
        raise rank_rate.wrong(
            f"the same score for everybody: your rank-1 is {got:.0%}",
            "ties must not count in favour; count the scores >= the mate's (the mate is one of "
            "them) and compare with k",
        )
    return "the mate among the k best, and no prize for a constant score"


def _rank_slip(got: float, want: float, scores: np.ndarray, mates: np.ndarray, k: int) -> str:
    """Say what a wrong rank-k rate looks like."""
    own = scores[np.arange(len(scores)), mates][:, None]
    rank = (scores >= own).sum(axis=1)  # 1 is best
    if close(got, 100 * want, 1e-6):
        return "that is in per cent; give a share from 0 to 1"
    if close(got, want * len(scores), 1e-6):
        return "that is a count; divide by the number of probes"
    if close(got, float((rank == k).mean()), 1e-6) and k > 1:
        return f"that is the share exactly at rank {k}; rank-{k} means rank {k} or better"
    if close(got, float((rank <= 1).mean()), 1e-6):
        return "that is rank-1; the mate may be anywhere among the k best"
    if close(got, float((rank <= k - 1).mean()), 1e-6):
        return "one too strict: the mate itself is one of the scores >= its own; or use <= k"
    if close(got, float((rank <= k + 1).mean()), 1e-6):
        return "one too lenient: with r others above it the mate has rank r + 1"
    if close(got, float((scores.shape[1] + 1 - rank <= k).mean()), 1e-6):
        return "those are the lowest scores; the best come first, np.argsort(-scores)"
    if got >= 1:
        return "compare with the score of the probe's own person, in column mates[i] of row i"
    if close(got, 1 - want, 1e-6):
        return "that is the share not found"
    return "the share of rows whose mate (column mates[i]) is among the k highest scores"
