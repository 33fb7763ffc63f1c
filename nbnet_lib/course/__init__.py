"""The course itself: exercise checks, hints, quizzes, widgets and progress.

What a chapter needs is here: ``from nbnet_lib.course import check, explore, hint, quiz, show,
start``.
"""

from nbnet_lib.course.checking import check, hint
from nbnet_lib.course.exploring import explore, show
from nbnet_lib.course.profile import start
from nbnet_lib.course.quizzes import quiz

__all__ = ["check", "explore", "hint", "quiz", "show", "start"]
