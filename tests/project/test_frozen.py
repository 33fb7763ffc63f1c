"""What users rely on: commands, options, what `--json` says, and the weights that are shipped.

The expected answers are in ``golden/``. A difference that is meant is written anew with

    python tests/project/test_frozen.py

and named, with its reason, where the change is described. Seconds, machines and paths are left out.
Pictures have their own golden files in tests/faces/golden.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import io
import json
import math
import os
import tempfile
from pathlib import Path
from unittest import mock

import pytest

from nbnet_lib.attack import TrainConfig
from nbnet_lib.cli import main, parser
from nbnet_lib.decoders.nbnet import NbNet

GOLDEN = Path(__file__).parent / "golden"
WEIGHTS = Path(__file__).parents[2] / "nbnet_lib" / "weights"
# Differs from run to run or from machine to machine. Hashes of what is trained here are left out,
# for the last bits of a float depend on the processor; those of what is shipped stay.
VOLATILE = {"seconds", "images_per_second", "training_seconds", "machine", "created", "versions"}
VOLATILE |= {"weights", "command", "sha256"}

FEW = ["--identities", "0-11", "--samples", "3", "--far", "0.1", "0.002", "--resamples", "50"]
EVALUATE = ["--decoder", "nbnet-b-64", "--quality", "--seed", "3"]
EVALUATE += ["--leakage", "gender", "age_years"]
TRAIN = ["--identities", "10000-10004", "--samples", "4", "--steps", "20", "--batch-size", "4"]
TRAIN += ["--image-size", "40", "--template-weight", "0.5", "--surrogate-steps", "5"]
TRAIN += ["--ema", "0.9", "--holdout", "4", "--evaluate-every", "10", "--seed", "3"]
COMMANDS = {
    "evaluate": ["evaluate", *FEW, *EVALUATE],
    "train": ["train", *TRAIN, "--out", "{out}"],
    "encoder_info": ["encoder", "info", "synth"],
    "encoder_test": ["encoder", "test", *FEW, "--diagnose", "0", "--profile", "0"],
    "faces_table": ["faces", "table", "--identities", "0-1"],
    "faces_table_of_pictures": ["faces", "table", "--identities", "3", "--samples", "1"],
}


def answer(arguments: list[str], out: str) -> object:
    """Return what a command prints with --json, without what is volatile."""
    printed = io.StringIO()
    words = [word.format(out=out) for word in arguments]
    # The fast NbNet rounds otherwise, and otherwise on each processor.
    readable = mock.patch.object(NbNet, "implementation", "readable")
    with contextlib.redirect_stdout(printed), readable:
        assert main([*words, "--json"]) == 0
    result = json.loads(printed.getvalue())
    if arguments[0] == "train":
        result["history"] = json.loads((Path(out) / "history.json").read_text(encoding="utf-8"))
        result["card_keys"] = sorted(json.loads((Path(out) / "decoder.json").read_text("utf-8")))
        result["files"] = sorted(path.name for path in Path(out).iterdir())
    shipped = arguments[:2] == ["encoder", "info"]
    return without(result, set() if shipped else VOLATILE)


def without(value: object, names: set[str]) -> object:
    if isinstance(value, dict):
        return {key: without(inner, names) for key, inner in value.items() if key not in names}
    return [without(inner, names) for inner in value] if isinstance(value, list) else value


UNSAID = (None, False, [], argparse.SUPPRESS)


def options(top: argparse.ArgumentParser, name: str = "nbnet") -> dict[str, dict[str, object]]:
    """Return {command: {option: its default, choices and the like}} for a parser and all below."""
    found: dict[str, dict[str, object]] = {name: {}}
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command, below in action.choices.items():
                found |= options(below, f"{name} {command}")
        else:
            facts = {
                "default": plain(action.default),
                "choices": sorted(map(str, action.choices or ())),
                "nargs": action.nargs,
                "required": action.required and bool(action.option_strings),
                "repeatable": isinstance(action, argparse._AppendAction),
            }
            option = " ".join(action.option_strings) or action.dest
            found[name][option] = {key: fact for key, fact in facts.items() if fact not in UNSAID}
    return found


def plain(value: object) -> object:
    """Return a default as JSON has it; of a range its ends."""
    people = isinstance(value, list) and len(value) > 2 and all(isinstance(v, int) for v in value)
    if isinstance(value, range) or people and value == [*range(value[0], value[-1] + 1)]:
        return [value[0], value[-1]]
    return json.loads(json.dumps(value, default=str))


def training_settings() -> dict[str, object]:
    """Return the defaults of a training and the settings of each recipe."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main(["train", "--list-recipes"])
    lines = printed.getvalue().splitlines()
    names, settings = lines[::2], lines[1::2]
    recipes = {
        name.partition(":")[0]: sorted(line.strip().split(", "))
        for name, line in zip(names, settings, strict=True)
    }
    return {"defaults": plain(dataclasses.asdict(TrainConfig())), "recipes": recipes}


def shipped() -> dict[str, object]:
    """Return the hash of every weight file that is shipped, and the keys of its card."""
    return {
        path.stem: {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "card": sorted(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))),
        }
        for path in sorted(WEIGHTS.glob("*.safetensors"))
    }


def differences(found: object, expected: object, tolerance: float, where: str = "") -> list[str]:
    """Return where two answers differ: keys, lengths, words, and numbers by more than this."""
    if isinstance(found, dict) and isinstance(expected, dict):
        differing = sorted(found.keys() ^ expected.keys())
        result = [f"{where}: {key!r} in one of the two only" for key in differing]
        for key in expected.keys() & found.keys():
            result += differences(found[key], expected[key], tolerance, f"{where}/{key}")
        return result
    if isinstance(found, list) and isinstance(expected, list):
        if len(found) != len(expected):
            return [f"{where}: {len(found)} instead of {len(expected)} entries"]
        pairs = enumerate(zip(found, expected, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, tolerance, f"{where}/{i}")]
    if isinstance(expected, float) and isinstance(found, int | float):
        # A cosine of few pictures moves most when a value near 0 takes the other sign.
        allowed = 10 * tolerance if where.endswith("/cosine") else tolerance
        same = math.isclose(found, expected, rel_tol=allowed, abs_tol=allowed)
    else:
        same = found == expected and isinstance(found, bool) == isinstance(expected, bool)
    return [] if same else [f"{where}: {found!r} instead of {expected!r}"]


def golden(name: str) -> object:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Faces are drawn anew, and once for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_answer_as_before(name, tmp_path):
    # Each step of a training carries the last bits of the one before.
    tolerance = 2e-3 if name == "train" else 1e-4
    found = answer(COMMANDS[name], str(tmp_path / "run"))
    assert differences(found, golden(name), tolerance) == []


def test_commands_and_options_are_those_of_before():
    assert differences(options(parser()), golden("options"), 0) == []


def test_a_training_has_the_settings_of_before():
    assert differences(training_settings(), golden("training"), 0) == []


def test_shipped_weights_and_cards_are_those_of_before():
    assert differences(shipped(), golden("shipped"), 0) == []


def test_a_difference_is_found():
    """In a number, a word, a key and a length; but not in the last bits."""
    expected = {"a": [1.0, 2], "b": "x", "c": None}
    assert differences({"a": [1.00001, 2], "b": "x", "c": None}, expected, 1e-4) == []
    for wrong in (
        {"a": [1.001, 2], "b": "x", "c": None},
        {"a": [1.0, 3], "b": "x", "c": None},
        {"a": [1.0], "b": "x", "c": None},
        {"a": [1.0, 2], "b": "y", "c": None},
        {"a": [1.0, 2], "b": "x"},
        {"a": [1.0, 2], "b": "x", "c": None, "d": 0},
    ):
        assert len(differences(wrong, expected, 1e-4)) == 1


def write() -> None:
    os.environ["NBNET_CACHE"] = tempfile.mkdtemp()
    answers = {name: answer(c, tempfile.mkdtemp() + "/run") for name, c in COMMANDS.items()}
    GOLDEN.mkdir(exist_ok=True)
    answers |= {"options": options(parser()), "training": training_settings(), "shipped": shipped()}
    for name, value in answers.items():
        text = json.dumps(value, indent=1, sort_keys=True)
        (GOLDEN / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
