"""Running commands, for the tests of the command line."""

import pytest

from nbnet_lib.cli import main


@pytest.fixture
def nbnet(capsys):
    """Run a command that must succeed, and return what it printed on stdout."""

    def run(*arguments: object) -> str:
        assert main([str(a) for a in arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture
def fails(capsys):
    """Run a command that must fail with status 2, and return its one line on stderr."""

    def run(*arguments: object) -> str:
        assert main([str(a) for a in arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        *progress, last = captured.err.splitlines()
        assert last.startswith("error: ") and "Traceback" not in captured.err
        return last

    return run
