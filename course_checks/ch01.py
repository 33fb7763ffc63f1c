"""Checks of chapter 01, Faces into templates."""

from __future__ import annotations

import numpy as np

from course_checks.base import Answer, exercise, short


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@exercise(
    "1.1 ★ cosine similarity",
    "two vectors point the same way when their dot product is large, measured against their "
    "lengths",
    "(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))",
)
def _cosine(cosine: Answer) -> str:
    rng = np.random.default_rng(11)
    for trial in range(4):
        a, b = rng.normal(size=(2, 128)) * (1.0 if trial == 0 else rng.uniform(0.2, 4, (2, 1)))
        want = float(_unit(a) @ _unit(b))
        angle = np.arccos(want)
        cosine.compare(
            cosine.call(a, b, returns="a number").number(),
            want,
            {
                "that is the cosine distance; similarity is 1 minus it": 1 - want,
                "that is the dot product; divide by the lengths of both vectors": a @ b,
                "that is the Euclidean distance; start from a @ b": np.linalg.norm(a - b),
                "the sign is turned; larger must mean more alike": -want,
                "divide by the lengths of both vectors, not twice by one": (
                    a @ b / (a @ a),
                    a @ b / (b @ b),
                ),
                "that is the angle; the similarity is its cosine": (angle, np.degrees(angle)),
            },
            "dot product divided by both lengths",
            tolerance=1e-3,
        )
    return "right for vectors of any length"


@exercise(
    "1.2 ★★★ straighten a face",
    "each point gives two equations that are linear in a, b, shift_x and shift_y; write all of "
    "them as one system",
    "rows [x, -y, 1, 0] belong to x', rows [y, x, 0, 1] to y'; np.linalg.lstsq(rows, values, "
    "rcond=None)[0] gives a, b and the two shifts",
)
def _similarity(similarity: Answer) -> str:
    rng = np.random.default_rng(12)
    for turn, scale, mirrored, n in (
        (0.4, 0.7, False, 5),
        (-2.0, 1.8, False, 7),
        (0.3, 1, True, 5),
    ):
        source = rng.uniform(10, 90, (n, 2))
        true = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        target = source @ true.T + rng.uniform(-30, 30, 2) + rng.normal(scale=1.5, size=(n, 2))
        if mirrored:
            target = target * [-1, 1]
        got = _matrix(similarity.call(source, target, returns="a matrix [2, 3]"))
        best = _best(source, target)
        least, error = _squares(best, source, target), _squares(got, source, target)
        similarity.expect(
            np.abs(got - best).max() < 1e-3 * max(1.0, float(np.abs(best).max())),
            f"expected a sum of squared distances of {short(least)}, got {short(error)}",
            _similarity_slip(got, best, source, target),
        )
    return "turn, scale and shift, and no stretching"


def _matrix(answer: Answer) -> np.ndarray:
    """Return a learner's transform as [2, 3]; [3, 3] and (linear part, shift) are understood."""
    if isinstance(answer.value, tuple) and len(answer.value) == 2:
        first, second = answer.pair("linear part, shift")
        linear, shift = first.array((2, 2)), second.array().reshape(-1)
        if shift.shape == (2,):
            answer = Answer(answer.name, np.column_stack([linear, shift]))
    matrix = answer.array().astype(float)
    if matrix.shape == (3, 3) and np.allclose(matrix[2], [0, 0, 1]):
        matrix = matrix[:2]
    why = {
        (4,): "those are the unknowns; put them in place: [[a, -b, shift_x], [b, a, shift_y]]",
        (3, 2): "transpose it: points are columns",
    }.get(matrix.shape, "")
    answer.expect(matrix.shape == (2, 3), f"expected shape [2, 3], got {list(matrix.shape)}", why)
    answer.expect(
        np.isfinite(matrix).all(),
        "the matrix holds NaN or infinity",
        "is something divided by zero?",
    )
    return matrix


def _best(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the similarity transform [2, 3] that is nearest in least squares."""
    a, b = source - source.mean(0), target - target.mean(0)
    both = (a**2).sum()
    c, s = (a * b).sum() / both, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / both
    linear = np.array([[c, -s], [s, c]])
    return np.column_stack([linear, target.mean(0) - linear @ source.mean(0)])


def _squares(matrix: np.ndarray, source: np.ndarray, target: np.ndarray) -> float:
    return float(((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2).sum())


def _similarity_slip(got: np.ndarray, best: np.ndarray, *points: np.ndarray) -> str:
    """Name a typical slip."""
    source, target = points
    linear, shift = got[:, :2], got[:, 2]
    size = float(np.abs(best[:, :2]).max())

    def like(a: np.ndarray, b: np.ndarray) -> bool:
        return bool(np.abs(a - b).max() < 1e-3 * max(1.0, float(np.abs(b).max())))

    if like(got, _best(target, source)):
        return "that brings target to source; it has to go the other way"
    if like(linear, best[:, :2]):
        return "turn and scale are right, the shift is not: mean target minus turned mean source"
    if like(linear, best[:, :2].T):
        return "the turn goes the wrong way: b stands with a minus in the first row"
    if like(linear, np.eye(2)):
        return "that only shifts; turn and scale are missing"
    if np.linalg.det(linear) < 0:
        return "that mirrors the face; a turn never does"
    if abs(linear[0, 0] - linear[1, 1]) + abs(linear[0, 1] + linear[1, 0]) > 1e-3 * size:
        return "that stretches or shears: four unknowns (a, b and the shift), not six"
    if like(got, _best(source[:2], target[:2])):
        return "only the first two points count here; let all of them vote"
    length = float(np.sqrt(np.linalg.det(linear)))
    if abs(length - 1) < 1e-6:
        return "that turns and shifts; the scale is missing"
    if abs(linear[0, 1]) < 1e-9:
        return "that scales and shifts; the turn is missing"
    if like(linear / length, best[:, :2] / np.sqrt(np.linalg.det(best[:, :2]))):
        return "the turn is right, the scale is not that of least squares"
    if like(shift, np.zeros(2)):
        return "the shift is missing"
    return "turn, scale and shift all follow from least squares over all points"


@exercise(
    "1.3 ★★ nearest neighbour",
    "one matrix product gives the similarity of the query with every row of the gallery",
    "normalise the rows of gallery, multiply with query, take np.argmax",
)
def _nearest(nearest: Answer) -> str:
    rng = np.random.default_rng(12)
    for target, decoy in ((7, 20), (0, 39), (39, 3)):
        gallery = rng.normal(size=(40, 16))
        # A long row that is somewhat like the query wins where lengths are not divided out.
        gallery[decoy] = 4 * (gallery[target] + gallery[decoy])
        query = _unit(gallery[target]) + rng.normal(scale=0.04, size=16)
        scores = _unit(gallery) @ _unit(query)
        nearest.compare(
            nearest.call(query, gallery, returns="an index").number(),
            target,
            {
                "that is the score; which row has it? (np.argmax)": scores.max(),
                "that is the least similar row; higher cosine is more alike": scores.argmin(),
                "long rows win by their length; divide each row by its length first": (
                    gallery @ query
                ).argmax(),
            },
            "the row with the highest cosine to the query",
            case="row",
        )
    return "finds the most similar row, whatever the rows' lengths"


@exercise(
    "1.4 ★★ average template",
    "the mean of unit vectors is shorter than 1; what is lost, and how do you get it back?",
    "mean = several.mean(axis=0), then mean / np.linalg.norm(mean)",
)
def _average(average: Answer) -> str:
    rng = np.random.default_rng(14)
    for k in (3, 5, 1, 128):
        several = _unit(rng.normal(size=128) + 0.7 * rng.normal(size=(k, 128)))
        want = _unit(several.mean(0))
        got = average.call(several, returns="a template [d]").array().astype(float)
        got = got[0] if got.shape == (1, 128) else got
        if got.shape == want.shape and np.abs(got - want).max() < 1e-4:
            continue
        why = "one template"
        if got.shape == (k,):
            why = (
                "that is the mean over the numbers of each template; average over the rows, axis=0"
            )
        average.expect(got.shape == want.shape, f"expected shape [128], got {list(got.shape)}", why)
        length = float(np.linalg.norm(got))
        if not np.isfinite(length):
            why = "it holds NaN: is something divided by zero?"
        elif np.abs(got - several.mean(0)).max() < 1e-4:
            why = "that is the mean; divide it by its length"
        elif np.abs(got - several.sum(0)).max() < 1e-4:
            why = "that is the sum; divide it by its length"
        elif np.abs(got - several[0]).max() < 1e-6:
            why = "that is the first of them; all have to count"
        elif length > 0 and np.abs(got / length - want).max() < 1e-4:
            why = "the direction is right, the length is not: np.linalg.norm, not a sum"
        elif np.abs(got - _unit(np.median(several, axis=0))).max() < 1e-4:
            why = "that is the median of each number; take the mean"
        else:
            why = "the mean over the rows, divided by its length"
        raise average.wrong(f"expected a template of length 1, got length {length:.3f}", why)
    return "one template for several pictures, of length 1"
