"""The frame of the command line: help, exit status, one JSON object on stdout."""

import json
import subprocess
import sys

import pytest

import nbnet_lib
from nbnet_lib import cli
from nbnet_lib.cli.shared import Report
from nbnet_lib.errors import NbnetError
from synthfaces import SynthFacesError


@pytest.fixture
def command(monkeypatch):
    """`nbnet doctor` with another function behind it."""

    def replace(function):
        monkeypatch.setattr(cli.doctor, "run", function)
        return lambda *arguments: cli.main(["doctor", *arguments])

    return replace


NAMES = "course lab progress doctor faces data encoder generator train reconstruct evaluate "
NAMES += "build html slides"


@pytest.mark.parametrize("name", NAMES.split())
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    assert f"nbnet {name}" in capsys.readouterr().out


def test_help_does_not_load_torch():
    code = (
        "import sys, nbnet_lib.cli as c; c.parser().format_help(); "
        "print([m for m in ('torch', 'numpy', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == f"nbnet {nbnet_lib.__version__}"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (NbnetError("the value 3 is wrong: give 4"), "the value 3 is wrong: give 4"),
        (SynthFacesError("size is 9: expected 32 to 512"), "size is 9: expected 32 to 512"),
        (PermissionError(13, "Permission denied", "some/file"), "some/file: Permission denied"),
    ],
)
def test_bad_input_is_one_line_and_status_2(command, capsys, error, line):
    def run(args):
        raise error

    assert command(run)() == 2
    assert capsys.readouterr() == ("", f"error: {line}\n")


@pytest.mark.parametrize("message", ["stopped after step 7, saved x", ""])
def test_ctrl_c_is_130_and_says_what_is_kept(command, capsys, message):
    def run(args):
        raise KeyboardInterrupt(message)

    assert command(run)() == 130
    printed = capsys.readouterr().err
    assert "interrupted: " in printed
    assert (message or "finished files are kept") in printed


def test_other_errors_keep_their_traceback(command):
    def run(args):
        raise ValueError("a bug of ours")

    with pytest.raises(ValueError):
        command(run)()


def test_json_is_the_only_thing_on_stdout(command, capsys):
    def run(args):
        print("a library says hello")
        return Report({"x": 1}, "text", status=1)

    run_command = command(run)
    assert run_command("--json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"x": 1}
    assert "hello" in captured.err
    assert run_command() == 1
    assert capsys.readouterr().out == "a library says hello\ntext\n"


def test_a_closed_pipe_is_no_error():
    code = (
        "import sys\nfrom nbnet_lib.cli import doctor, main\n"
        "from nbnet_lib.cli.shared import Report\n"
        "doctor.run = lambda args: Report({}, 'x\\n' * 1_000_000)\n"
        "sys.exit(main(['doctor']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
