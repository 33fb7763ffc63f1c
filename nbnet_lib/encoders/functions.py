"""Any function from images to templates as an encoder: your own recogniser, in whatever library.

>>> encoder = create_encoder(my_function, image_size=112, framing="arcface")
>>> encoder = create_encoder("python:my_recogniser.py:embed")

The function gets a batch and returns one template per picture, [N, d], as a torch tensor, a numpy
array or a list of them, in floats. Unless a card says otherwise it gets float32 [N, 3, S, S], RGB,
in [-1, 1]. Options, or the entries of a card (`encoders.card`), change that: ``image_size``,
``framing``, ``channels``, ``layout``, ``mean``, ``std``, and ``takes``:

- "torch": a tensor on the encoder's device (the usual case);
- "numpy": the same as an array;
- "uint8": an array of bytes. Pixels are then from 0 to 255, in the layout "nhwc" unless a
  card says otherwise: what comes out of a picture file.

``python:FILE.py:FUNCTION`` runs the file, as ``python FILE.py`` would: it may do anything. Open
only what you would run. While it is imported, it finds other modules in its folder. Its card is
``FILE.yaml`` next to it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import check_card, find_card
from nbnet_lib.encoders.foreign import INSIGHTFACE, one_line, resolve_options, wrap_model
from nbnet_lib.encoders.preprocess import to_bytes
from nbnet_lib.errors import NbnetError

# A function knows best what it wants: it gets the library's pictures as they are.
CONVENTION = {**INSIGHTFACE, "framing": "synthfaces"}
BYTES = {"layout": "nhwc", "mean": 0.0, "std": 1.0}


def wrap(
    function: Callable[..., Any],
    device: str | torch.device = "cpu",
    card: Any = None,
    alignment: str | None = None,
    name: str | None = None,
    **options: Any,
) -> Encoder:
    """Make an encoder of a function from images to templates.

    Args:
        function: see the module; a torch module is put on the device and into evaluation mode.
        device: of the tensors that it gets.
        card: its card, or the path of it.
        alignment: see `Encoder`.
        name: what reports call it; None for the card's, or the function's own.
        **options: entries of the card; they go before ``card``.

    Raises:
        NbnetError: a class in place of a function, a wrong card or option, or a function that
            does not give templates (`encoders.foreign`).
    """
    called = name or str(getattr(function, "__name__", type(function).__name__))
    if inspect.isclass(function):
        raise NbnetError(f"{called} is a class: give a function, or an object of it that is called")
    given = {**find_card(card, None), **check_card(options, f"create_encoder of {called}")}
    if name is not None:
        given.setdefault("name", name)
    takes = given.get("takes", "torch")
    for key in ("mean", "std") if takes == "uint8" else ():
        if np.any(np.asarray(given.get(key, BYTES[key])) != BYTES[key]):
            raise NbnetError(
                f"{called} takes uint8 and {key} {given[key]}: bytes cannot be scaled, give "
                "takes: numpy"
            )
    read = BYTES if takes == "uint8" else {}
    entries, assumed = resolve_options(called, given, {}, read, CONVENTION)
    if isinstance(function, torch.nn.Module):
        function.to(device).eval().requires_grad_(False)

    def network(inputs: Tensor) -> Any:
        pictures: Any = inputs
        if takes != "torch":
            pictures = to_bytes(inputs) if takes == "uint8" else inputs.cpu().numpy()
        return _as_tensor(function(pictures))

    return wrap_model(called, network, entries, assumed, device, alignment)


def _as_tensor(answer: Any) -> Any:
    """Return an array, or a list with a template for each picture, as a tensor without gradient."""
    if isinstance(answer, list | tuple):
        rows = [row.detach().cpu() if isinstance(row, Tensor) else row for row in answer]
        answer = np.array([np.asarray(row) for row in rows])
    if isinstance(answer, np.ndarray):
        return torch.tensor(answer)  # a copy: the function may answer with the same array each time
    return answer.detach() if isinstance(answer, Tensor) else answer


def open_python(
    path: str,
    device: str | torch.device = "cpu",
    card: Any = None,
    alignment: str | None = None,
    **options: Any,
) -> Encoder:
    """Make an encoder of "FILE.py:FUNCTION" or "MODULE:FUNCTION".

    Raises:
        NbnetError: no such file, module or function, an error while it is imported, or what `wrap`
            raises.
    """
    source, _, attribute = path.rpartition(":")
    if not source or not attribute:
        raise NbnetError(
            f"'python:{path}' names no function: write python:FILE.py:FUNCTION or "
            "python:MODULE:FUNCTION"
        )
    file = Path(source) if source.endswith(".py") else None
    module = _import(source, file)
    function = getattr(module, attribute, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise NbnetError(f"{source} has no function {attribute}: it has {', '.join(functions)}")
    name = options.pop("name", None) or f"python:{file.name if file else source}:{attribute}"
    given = find_card(card, file)
    return wrap(function, device, given, alignment, given.get("name", name), **options)


def _import(source: str, file: Path | None) -> ModuleType:
    """Import a module by name or from a file, next to which it may import others."""
    if file is not None and not file.is_file():
        raise NbnetError(f"no file {file}: give the path of the .py file with the function")
    before = sys.path[:]
    # Last, so that no file there takes the place of a library.
    sys.path.append(str((file.parent if file is not None else Path()).resolve()))
    try:
        if file is None:
            return importlib.import_module(source)
        spec = importlib.util.spec_from_file_location(f"nbnet_user_{file.stem}", file)
        assert spec is not None and spec.loader is not None  # a .py file has both
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses and pickles look it up
        spec.loader.exec_module(module)
        return module
    except (Exception, SystemExit) as error:
        reason = one_line(error)
        raise NbnetError(f"{source} cannot be imported ({reason}): run it alone") from error
    finally:
        sys.path[:] = before
