"""Checks of chapter 02, Verifying and identifying."""

from __future__ import annotations

import numpy as np

from course_checks.base import Answer, Wrong, close, describe, exercise, short


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
        both = count_pairs.call(people, samples, returns="(genuine, impostor)")
        first, second = both.pair("genuine, impostor")
        got = first.number(), second.number()
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
            why = "impostor pairs are all pairs minus the genuine ones"
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
            got = threshold_at_far.call(scores, far, returns="a score").number()
        except Wrong as wrong:
            if "integer" in str(wrong):  # numpy's words for an index that is a float
                hint = "np.floor gives a float, and an index must be an int: int(np.floor(far * n))"
                raise Wrong(str(wrong), hint) from wrong
            raise
        accepted = int((scores > got).sum())
        if accepted == int((scores > want).sum()):
            continue
        if k == 0:
            why = "k = 0: no impostor may pass, so the threshold is the largest score"
        elif close(got, np.sort(scores)[k], 1e-9):
            why = "you counted from the low end; the false accepts are the highest scores"
        elif close(got, np.sort(scores)[::-1][max(k - 1, 0)], 1e-9):
            why = "one too strict: exactly k scores may lie above, so take the one after those k"
        elif scores is ties:
            why = "scores equal to the threshold must be refused together: accept means > threshold"
        elif accepted > k and close(got, float(np.quantile(scores, 1 - far)), 1e-9):
            why = "np.quantile interpolates and may let one too many in; take a sorted score"
        elif accepted > k:
            why = "too lenient: at most k impostors may score above the threshold"
        else:
            why = "too strict: the threshold may come down until k impostors are above it"
        raise threshold_at_far.wrong(
            f"FAR {far:.1%} of {scores.size} impostors allows {k}, yours accepts {accepted}", why
        )
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
        share = tar_at.call(genuine, threshold, returns="a share from 0 to 1")
        several = f"expected one number, got {describe(share.value)}"
        tar_at.expect(np.size(share.value) <= 1, several, "average it")
        tar_at.compare(
            share.number(),
            want,
            {
                "that is in per cent; give a share from 0 to 1": 100 * want,
                "that is a count; divide by the number of genuine comparisons": want * genuine.size,
                "a score that equals the threshold is refused: use >, as the threshold was made": (
                    genuine >= threshold
                ).mean(),
                "that is the share refused (the false reject rate)": (
                    1 - want,
                    (genuine < threshold).mean(),
                ),
            },
            "the share of genuine scores above the threshold",
            tolerance=1e-6,
        )
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
    expect, got = bootstrap_interval.expect, _interval(bootstrap_interval, accepted, repeats)
    expect(got[0] <= got[1], f"low {got[0]:.3f} is above high {got[1]:.3f}", "return low first")
    expect(got[1] < 1.0001, f"got {got[0]:.1f} to {got[1]:.1f}", "give shares from 0 to 1")
    width, want = got[1] - got[0], high - low
    message = f"expected about {low:.2f} to {high:.2f}, got {got[0]:.2f} to {got[1]:.2f}"
    if width < 0.5 * want:
        if abs(got[0] + got[1] - 1.5) > 0.1:
            why = "take the quantiles of the resampled TARs"
        elif width == 0:
            why = "your draws do not change the TAR: draw rows (people), anew and with replacement"
        else:
            why = (
                "too narrow: draw people (rows) with replacement, not single comparisons; a "
                "person's comparisons are not independent"
            )
        raise bootstrap_interval.wrong(message, why)
    expect(width >= 0.91 * want, message, "is it 95 %, from the 0.025 to the 0.975 quantile?")
    expect(
        width <= 1.2 * want,
        message,
        "too wide: draw as many people as there are, and take the 0.025 and 0.975 quantiles, not "
        "the extremes",
    )
    expect(
        abs(got[0] - low) <= 0.05 and abs(got[1] - high) <= 0.05,
        message,
        "the interval lies around the TAR of all people, 0.75 here",
    )
    # Rows of all kinds and few repeats: two honest draws hardly ever give the same interval.
    mixed = rng.random((people, pairs)) < rng.random((people, 1))
    expect(
        len({_interval(bootstrap_interval, mixed, 20) for _ in range(3)}) == 1,
        "two calls with the same rng gave two intervals",
        "draw with `rng`, not with np.random",
    )
    for end in (0, people - 1):
        one_fails = np.ones((people, pairs), dtype=bool)
        one_fails[end] = False
        expect(
            _interval(bootstrap_interval, one_fails, repeats)[0] <= 0.999,
            f"only person {end} fails, and your low end is 100 %",
            f"is person {end} ever drawn? rng.integers(0, n) gives 0 to n - 1",
        )
    return "wide enough, because people were drawn and not comparisons"


def _interval(answer: Answer, accepted: np.ndarray, repeats: int) -> tuple[float, float]:
    """Return the learner's (low, high), always from the same seed."""
    ends = answer.call(accepted, np.random.default_rng(1), repeats, returns="(low, high)")
    if isinstance(ends.value, np.ndarray) and ends.value.shape == (2,):
        ends = Answer(answer.name, tuple(ends.value))
    first, second = ends.pair("low, high")
    return first.number(), second.number()


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
        rank = (scores >= scores[rows, mates][:, None]).sum(axis=1)  # 1 is best
        want = float((rank <= k).mean())
        try:
            got = rank_rate.call(scores, mates, k, returns="a share from 0 to 1").number()
        except Wrong as wrong:
            if "broadcast" in str(wrong):  # scores[:, mates] is [probes, probes]
                message = "one score per row: scores[np.arange(len(scores)), mates][:, None]"
                raise Wrong(str(wrong), message) from wrong
            raise
        slips = {
            "that is in per cent; give a share from 0 to 1": 100 * want,
            "that is a count; divide by the number of probes": want * probes,
            f"that is the share exactly at rank {k}; rank-{k} means rank {k} or better": (
                (rank == k).mean() if k > 1 else []
            ),
            "that is rank-1; the mate may be anywhere among the k best": (rank <= 1).mean(),
            "one too strict: the mate itself is one of the scores >= its own; or use <= k": (
                rank <= k - 1
            ).mean(),
            "one too lenient: with r others above it the mate has rank r + 1": (
                rank <= k + 1
            ).mean(),
            "those are the lowest scores; the best come first, np.argsort(-scores)": (
                people + 1 - rank <= k
            ).mean(),
            "compare with the score of the probe's own person, in column mates[i] of row i": 1.0,
            "that is the share not found": 1 - want,
        }
        rank_rate.compare(
            got,
            want,
            slips,
            "the share of rows whose mate (column mates[i]) is among the k highest scores",
            tolerance=1e-6,
            case=f"rank-{k} of {probes} probes",
        )
    same = np.full((40, 10), 0.5)
    got = rank_rate.call(same, rng.integers(0, 10, 40), 1, returns="a share from 0 to 1").number()
    rank_rate.expect(
        got <= 0.5,
        f"the same score for everybody: your rank-1 is {got:.0%}",
        "ties must not count in favour; count the scores >= the mate's (the mate is one of them) "
        "and compare with k",
    )
    return "the mate among the k best, and no prize for a constant score"
