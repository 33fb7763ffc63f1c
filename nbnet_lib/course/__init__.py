"""The course itself: exercise checks, hints, quizzes, widgets, progress, and `nbnet doctor`.

What a chapter needs is here: ``from nbnet_lib.course import check, explore, hint, quiz, show,
start``. The names are imported when first used: ``nbnet doctor`` must speak where matplotlib or
torch is broken.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbnet_lib.course.checking import check, hint
    from nbnet_lib.course.exploring import explore, show
    from nbnet_lib.course.profile import start
    from nbnet_lib.course.quizzes import quiz

_MODULES = {
    "check": "checking",
    "explore": "exploring",
    "hint": "checking",
    "quiz": "quizzes",
    "show": "exploring",
    "start": "profile",
}

__all__ = ["check", "explore", "hint", "quiz", "show", "start"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
