"""The error that the library raises for bad input, and the warning for what cannot be trusted."""


class NbnetError(ValueError):
    """Bad input or a missing file, told in one sentence.

    The sentence names the value or the file, what was expected and what to do. The command line
    prints it without a traceback and exits with status 2.
    """


class NbnetWarning(UserWarning):
    """A number that was computed and should not be relied on, told in one sentence.

    `nbnet_lib.evaluate.run_protocol` collects these as the notes of its result.
    """
