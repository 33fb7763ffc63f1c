"""pyproject.toml and environment.yml name the same packages with the same bounds."""

import ast
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


def from_pyproject(pyproject: dict) -> dict[str, SpecifierSet]:
    project = pyproject["project"]
    return bounds(project["dependencies"] + project["optional-dependencies"]["test"])


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
    test = bounds(extras["test"])
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


def test_every_bound_is_a_lower_one(pyproject):
    for name, specifiers in from_pyproject(pyproject).items():
        operators = {s.operator for s in specifiers}
        assert ">=" in operators, f"{name} has no lower bound"
        assert operators <= {">=", "!="}, f"{name}: upper bounds and pins rot ({specifiers})"


def test_this_environment_is_within_the_bounds(pyproject):
    for name, specifiers in from_pyproject(pyproject).items():
        assert specifiers.contains(metadata.version(name), prereleases=True), name


def imported_names(folder: Path) -> set[str]:
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - LOCAL


@pytest.mark.parametrize(
    "folder", ["nbnet_lib", "course_checks", "synthfaces", "tools/authoring", "solutions"]
)
def test_what_is_imported_is_declared(root, pyproject, folder):
    project = pyproject["project"]
    declared = bounds(project["dependencies"])
    for extra in ("dlib", "onnx"):  # imported where they are asked for
        declared |= bounds(project["optional-dependencies"][extra])
    owners = metadata.packages_distributions()
    # Parts of a declared package that bring their own import name.
    owners |= {"jupyter_client": ["ipykernel"], "IPython": ["ipykernel"]}
    owners |= {"dlib": ["dlib-bin"], "google": ["onnx"], "pygments": ["nbconvert"]}
    for name in imported_names(root / folder):
        distributions = {canonicalize_name(d) for d in owners.get(name, [name])}
        assert distributions & declared.keys(), f"{name} is imported in {folder} but not declared"
