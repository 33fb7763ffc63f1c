"""The course itself: exercise checks, hints, quizzes, widgets, the builder and the runner.

What a chapter needs is here: ``from nbnet_lib.course import check, explore, hint, quiz, show,
start``. The names are imported when first used: the command line must not wait for matplotlib.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbnet_lib.course.check import check
    from nbnet_lib.course.explore import explore, show
    from nbnet_lib.course.hints import hint
    from nbnet_lib.course.profile import start
    from nbnet_lib.course.quiz import quiz

_LATER = {
    "check": "check",
    "explore": "explore",
    "hint": "hints",
    "quiz": "quiz",
    "show": "explore",
    "start": "profile",
}

__all__ = ["check", "explore", "hint", "quiz", "show", "start"]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"nbnet_lib.course.{_LATER[name]}"), name)
    globals()[name] = value
    return value


class _Room(ModuleType):
    """`check`, `explore` and `quiz` are names of modules too, and here mean the functions.

    Importing a module sets it as an attribute of its package, so that without this the meaning
    would depend on what was imported before.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _LATER or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room
