"""Any function from images to templates as an encoder: your own recogniser, in whatever library.

>>> encoder = create_encoder(my_function, image_size=112, framing="arcface")
>>> encoder = create_encoder("python:my_recogniser.py:embed")

The function gets a batch and returns one template per picture, [N, d], as a torch tensor or a
numpy array of floats. Unless a card says otherwise it gets float32 [N, 3, S, S], RGB, in [-1, 1].
Options, or the entries of a card (`encoders.card`), change that: ``image_size``, ``framing``,
``channels``, ``layout``, ``mean``, ``std``, and ``takes``:

- "torch": a tensor on the encoder's device (the usual case);
- "numpy": the same as an array;
- "uint8": an array of bytes. Pixels are then from 0 to 255, in the layout "nhwc" unless a
  card says otherwise: what comes out of a picture file.

``python:FILE.py:FUNCTION`` runs the file, as ``python FILE.py`` would: it may do anything. Open
only what you would run. While it is imported, it finds other modules in its folder. Its card is
``FILE.yaml`` next to it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import check_card, find_card
from nbnet_lib.encoders.foreign import Input, resolve_options, wrap_model
from nbnet_lib.encoders.preprocess import to_bytes
from nbnet_lib.errors import NbnetError

# A function knows best what it wants: it gets the library's pictures as they are.
CONVENTION = {
    "image_size": 112,
    "channels": "rgb",
    "layout": "nchw",
    "mean": 127.5,
    "std": 127.5,
    "framing": "synthfaces",
}
BYTES = {"layout": "nhwc", "mean": 0.0, "std": 1.0}


class _Function:
    """Network inputs -> templates, by a function of the user's."""

    def __init__(self, name: str, function: Callable[..., Any], takes: str):
        self.name, self.function, self.takes = name, function, takes

    def __call__(self, inputs: Tensor) -> Any:
        """Ask the function; what it returns becomes a tensor, if it is an array."""
        given: Any
        if self.takes == "uint8":
            given = to_bytes(inputs)
        else:
            # A copy: the function may write into it.
            given = inputs.clone()
            given = given.cpu().numpy() if self.takes == "numpy" else given
        try:
            answer = self.function(given)
        except (Exception, SystemExit) as error:
            raise NbnetError(
                f"{self.name} failed on a batch of {len(inputs)} ({_one_line(error)}): it gets "
                f"{_shape(given)} and must return templates; image_size, takes and the like are "
                "set in a card, NAME.yaml next to NAME.py, or as options of create_encoder"
            ) from error
        if isinstance(answer, Tensor):
            return (answer if answer.layout == torch.strided else answer.to_dense()).detach()
        array = answer if isinstance(answer, np.ndarray) else _joined(answer)
        return _tensor(array) if _is_numbers(array) else answer


def _shape(given: Any) -> str:
    kind = "a tensor" if isinstance(given, Tensor) else "an array"
    dtype = str(given.dtype).removeprefix("torch.")
    return f"{kind}, {dtype} {list(given.shape)}"


def _joined(answer: Any) -> Any:
    """Return a list with one template per picture as one array."""
    if not (isinstance(answer, list | tuple) and answer):
        return answer
    rows = [row.detach().cpu().numpy() if isinstance(row, Tensor) else row for row in answer]
    try:
        return np.asarray(rows)
    except ValueError:  # rows of different lengths
        return answer


def _tensor(array: np.ndarray) -> Tensor:
    """Return a copy; of numbers as torch knows them: this machine's byte order, 64 bits at most."""
    dtype = array.dtype.newbyteorder("=") if array.dtype.itemsize <= 8 else np.dtype(np.float64)
    return torch.from_numpy(np.array(array, dtype))


def _is_numbers(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in "fiub"


def _one_line(error: BaseException) -> str:
    """Return an error in one line, with the line of the user's file that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"


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
        function: see the module.
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
    if takes == "uint8":
        for key in ("mean", "std"):
            if np.any(np.asarray(given.get(key, BYTES[key])) != BYTES[key]):
                raise NbnetError(
                    f"{called} takes uint8 and {key} {given[key]}: bytes cannot be scaled, give "
                    "takes: numpy"
                )
    read = BYTES if takes == "uint8" else {}
    entries, assumed = resolve_options(called, given, {}, read, CONVENTION)
    if isinstance(function, torch.nn.Module):
        function.to(device).eval().requires_grad_(False)
    fed = Input(entries, assumed, device, alignment)
    return wrap_model(called, _Function(called, function, takes), fed)


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
    source, colon, attribute = path.rpartition(":")
    if not colon or not source or not attribute.isidentifier():
        raise NbnetError(
            f"'python:{path}' names no function: write python:FILE.py:FUNCTION or "
            "python:MODULE:FUNCTION"
        )
    file = Path(source) if source.endswith(".py") else None
    module = _import(source, file)
    function = getattr(module, attribute, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise NbnetError(
            f"{source} has no function {attribute}: it has {', '.join(functions) or 'none at all'}"
        )
    name = options.pop("name", None) or f"python:{file.name if file else source}:{attribute}"
    given = find_card(card, file)
    return wrap(function, device, given, alignment, given.get("name", name), **options)


def _import(source: str, file: Path | None) -> ModuleType:
    """Import a module by name or from a file, next to which it may import others."""
    if file is not None and not file.is_file():
        raise NbnetError(f"no file {file}: give the path of the .py file with the function")
    folder = str((file.parent if file is not None else Path()).resolve())
    added = folder not in sys.path
    if added:  # last, so that no file there takes the place of a library
        sys.path.append(folder)
    try:
        if file is None:
            return importlib.import_module(source)
        # A name of its own for each file: two files called model.py do not meet.
        digest = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]
        name = f"nbnet_user_{file.stem}_{digest}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None  # a .py file has both
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickles look it up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module
    except (Exception, SystemExit) as error:
        reason = _one_line(error)
        raise NbnetError(f"{source} cannot be imported ({reason}): run it alone") from error
    finally:
        if added:
            sys.path.remove(folder)
