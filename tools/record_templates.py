"""Record what a slow recogniser answers to drawn pictures, to be shipped. For maintainers only.

    python tools/record_templates.py --encoder dlib --out runs/dlib 0-299x6 20000-23999x5

writes dlib.safetensors and its card into the folder; `nbnet_lib/encoders/recorded.py` says what is
in it, and both belong into `nbnet_lib/encoders/answers/`. Pictures are drawn at the recogniser's
own size and embedded as `nbnet train` and `nbnet evaluate` would do it, alignment included. It
resumes where it was stopped. dlib takes about 15 minutes for 20,000 pictures on two idle cores.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from nbnet_lib.array_cache import cached_array
from nbnet_lib.encoders import Encoder, create_encoder
from nbnet_lib.faces import RENDERER_VERSION, render_set, to_tensor
from nbnet_lib.faces.framing import FRAMINGS
from nbnet_lib.identities import parse_identities
from nbnet_lib.weights import save_weights

AT_ONCE = 50  # people


def answers(encoder: Encoder, people: list[int], samples: int, folder: Path) -> np.ndarray:
    """Return float32 [pictures, d + 1]: templates, and 1 where the detector found the face.

    Rows go person by person, pictures 0 to ``samples`` - 1 of each.
    """

    def compute(done: int) -> Iterable[np.ndarray]:
        rest = people[done // samples :]
        for first in tqdm(range(0, len(rest), AT_ONCE), f"{len(people)} people x {samples}"):
            some = rest[first : first + AT_ONCE]
            faces = render_set(some, samples, encoder.image_size, cache=False, progress=False)
            aligned = encoder.align(to_tensor(faces.images), FRAMINGS["synthfaces"])
            found = np.ones(len(faces)) if aligned.found is None else aligned.found
            yield np.column_stack([encoder(aligned.pixels).numpy(), found])

    made_from = {
        "encoder": [encoder.name, encoder.sha256],
        "alignment": encoder.alignment,
        "renderer_version": RENDERER_VERSION,
        "people": [people[0], people[-1], samples],
    }
    shape = (len(people) * samples, encoder.template_dim + 1)
    path = folder / f"answers-{people[0]}.npy"
    return cached_array(path, shape, np.float32, made_from, compute, replace=False)


def main() -> None:
    """Record, and write the file with its card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", help="people and pictures of each, as 0-299x6")
    parser.add_argument("--encoder", default="dlib")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    encoder = create_encoder(given.encoder)
    parts = []
    for word in sorted(given.sets, key=lambda word: int(word.partition("-")[0])):
        people, _, samples = word.partition("x")
        numbers = parse_identities(people)
        of = np.array([(i, s) for i in numbers for s in range(int(samples))])
        parts.append((of, answers(encoder, numbers, int(samples), given.out)))
    of, rows = (np.concatenate(of_all) for of_all in zip(*parts, strict=True))
    state = {
        "templates": torch.from_numpy(rows[:, :-1]),
        "found": torch.from_numpy(rows[:, -1].astype(np.uint8)),
        "identities": torch.from_numpy(of[:, 0].astype(np.int32)),
        "samples": torch.from_numpy(of[:, 1].astype(np.int16)),
    }
    card = {
        "what": f"templates that {encoder.name} made of drawn faces",
        "made_from": {
            "encoder": encoder.name,
            "sha256": encoder.sha256,
            "alignment": encoder.alignment,
            "renderer_version": RENDERER_VERSION,
            "image_size": encoder.image_size,
            "difficulty": 1,
        },
        "sets": given.sets,
        "pictures": len(rows),
        "faces_not_found": int(len(rows) - rows[:, -1].sum()),
        "command": shlex.join(["python", "tools/record_templates.py", *sys.argv[1:]]),
        "licence": "MIT; numbers about people who do not exist: no picture of a real person and no "
        "weight is in it",
    }
    print(save_weights(given.out / f"{encoder.name}.safetensors", state, card))


if __name__ == "__main__":
    main()
