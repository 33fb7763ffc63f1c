"""The one error type that the library raises for bad input."""


class NbnetError(ValueError):
    """Bad input or a missing file, told in one sentence.

    The sentence names the value or the file, what was expected and what to do. The command line
    prints it without a traceback and exits with status 2.
    """
