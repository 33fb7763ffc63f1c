"""The repository has no machine paths, secrets, pickles or large files; all data is shipped."""

import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nbnet_lib.faces import RENDERER_VERSION

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGE = 30e6
# Weights are safetensors; a pickle runs code when it is opened. Photographs have no place here.
BANNED = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".params", ".joblib", ".h5", ".jpg", ".jpeg"}
# Split, so that this file does not find itself.
MACHINE_PATHS = re.compile(
    "|".join(
        [
            r"/wo" + r"rk/\w",
            r"/ro" + r"ot/\w",
            r"/ho" + r"me/\w+/",
            r"/Us" + r"ers/\w",
            r":\\Us" + "ers",
        ]
    )
)
SECRETS = re.compile(
    "|".join(
        [
            "-----BEGIN [A-Z ]*PRIVATE" + " KEY",
            "gh" + "[pousr]_[A-Za-z0-9]{36}",
            "AK" + "IA[0-9A-Z]{16}",
            "hf" + "_[A-Za-z0-9]{34}",
            "xox" + "[abprs]-[0-9A-Za-z-]{10,}",
        ]
    )
)


def git(root: Path, *arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments, "-z"], cwd=root, capture_output=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.decode().split("\0") if name]


@pytest.fixture(scope="module")
def tree(root: Path) -> list[Path]:
    """Every file that is tracked or would be added."""
    names = git(root, "ls-files", "--cached", "--others", "--exclude-standard")
    return [root / name for name in sorted(set(names)) if (root / name).is_file()]


@pytest.fixture(scope="module")
def texts(tree: list[Path]) -> dict[Path, str]:
    found = {}
    for path in tree:
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found[path] = data.decode("utf-8")  # every text here is UTF-8
    return found


def test_no_large_or_banned_files(tree):
    for path in tree:
        assert path.stat().st_size < LARGE, f"{path} is larger than {LARGE / 1e6:.0f} MB"
        assert path.suffix.lower() not in BANNED, path
    assert sum(path.stat().st_size for path in tree) < 5 * LARGE


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, SECRETS], ids=["machine paths", "secrets"])
def test_texts_are_clean(texts, pattern):
    for path, text in texts.items():
        found = pattern.search(text)
        assert found is None, f"{path} holds {found.group()!r}"


def test_line_ends_are_plain(texts):
    for path, text in texts.items():
        assert "\r" not in text, f"{path} has Windows line ends"


def test_what_commands_make_is_ignored(root):
    made = [
        ".venv/x",
        "build/course/x",
        "runs/x",
        "nbnet_lib.egg-info/x",
        "chapters/.ipynb_checkpoints/x",
    ]
    for name in made:
        done = subprocess.run(["git", "check-ignore", "-q", name], cwd=root)
        if done.returncode == 128:
            pytest.skip("not a git checkout")
        assert done.returncode == 0, f"{name} is not ignored"


def test_package_data_is_installed(root, tree):
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    suffixes = set()
    for package, patterns in pyproject["tool"]["setuptools"]["package-data"].items():
        for path in tree:
            if path.is_relative_to(root / package) and path.suffix != ".py":
                name = path.relative_to(root / package).as_posix()
                suffixes.add(path.suffix)
                assert any(fnmatch.fnmatch(name, p) for p in patterns), f"{name}: not installed"
    assert {".safetensors", ".npz"} <= suffixes


def test_every_weight_file_has_its_card(root):
    weights = root / "nbnet_lib" / "weights"
    names = {path.stem for path in weights.glob("*.safetensors")}
    assert names == {path.stem for path in weights.glob("*.json")}


def test_shipped_weights_were_trained_on_the_faces_of_today(root):
    """Who changes a pixel trains again: old weights on new faces would give wrong numbers."""
    for card in (root / "nbnet_lib" / "weights").glob("*.json"):
        assert json.loads(card.read_text(encoding="utf-8"))["renderer_version"] == RENDERER_VERSION
