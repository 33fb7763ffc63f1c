"""Finding the descriptions of benchmarks: ``data_scripts/NAME.py`` in a clone of the repository."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from nbnet_lib.data.benchmarks.dataset import Dataset
from nbnet_lib.errors import NbnetError


def scripts_folder(root: str | Path | None = None) -> Path:
    """Return the folder ``data_scripts``.

    Looks in ``root`` where given, else beside the package (a clone that was installed in place),
    else in the working folder.

    Raises:
        NbnetError: there is none with descriptions in any of them.
    """
    places = [Path(root)] if root else [Path(__file__).parents[3], Path.cwd()]
    for place in places:
        if any(_describes(path) for path in (place / "data_scripts").glob("*.py")):
            return place / "data_scripts"
    raise NbnetError(
        f"no data_scripts/NAME.py found in {places[-1].resolve()}: the descriptions of benchmarks "
        "are part of the repository, not of the installed package, so run this in the root of a "
        "clone"
    )


def _describes(path: Path) -> bool:
    """Tell a description from other scripts without running either."""
    return any(
        line.startswith("DATASET = ") for line in path.read_text(encoding="utf-8").splitlines()
    )


def all_datasets(root: str | Path | None = None) -> dict[str, Dataset]:
    """Return {name: description}, in order of names.

    Raises:
        NbnetError: no folder, or a script that does not say what it should.
    """
    folder = scripts_folder(root)
    found = [_load(path) for path in sorted(folder.glob("*.py")) if _describes(path)]
    return {dataset.name: dataset for dataset in found}


def find_dataset(name: str, root: str | Path | None = None) -> Dataset:
    """Return the description of one benchmark.

    Raises:
        NbnetError: no such benchmark, or what `all_datasets` raises.
    """
    datasets = all_datasets(root)
    if name not in datasets:
        raise NbnetError(
            f"no benchmark is called {name!r}: choose one of {', '.join(datasets)}, or describe "
            "your own in data_scripts/"
        )
    return datasets[name]


def _load(path: Path) -> Dataset:
    module = _module(path)
    dataset = getattr(module, "DATASET", None)
    expected = path.stem.replace("_", "-")
    if not isinstance(dataset, Dataset) or dataset.name != expected:
        raise NbnetError(
            f"{path} describes {getattr(dataset, 'name', dataset)!r}: its DATASET must be a "
            f"nbnet_lib.data.benchmarks.dataset.Dataset named {expected!r}, after the file"
        )
    return dataset


def _module(path: Path) -> ModuleType:
    name = f"nbnet_data_scripts.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NbnetError(f"{path} cannot be imported: give it the ending .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look there
    spec.loader.exec_module(module)
    return module
