"""`nbnet doctor` finds what is broken and says how to fix it."""

import json
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest

from nbnet_lib import doctor
from nbnet_lib.cli import main


def test_a_good_machine_passes(capsys):
    status = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    failed = [c for c in report["checks"] if c["status"] == "fail"]
    assert failed == []
    assert status == 0 and report["ok"] is True
    names = {check["name"] for check in report["checks"]}
    assert {"Python", "torch", "jupyterlab", "cores", "memory", "disk", "GPU", "kernel"} <= names
    assert {"working folder", "build folder", "cache folder", "head model"} <= names


def test_recognisers_that_the_course_does_without(monkeypatch):
    only(monkeypatch, "_extras")
    monkeypatch.setattr(doctor, "EXTRAS", (("here", "json", "a"), ("away", "no_such_module", "b")))
    here, away = doctor.examine()
    assert (here.status, here.message) == ("ok", "installed")
    assert away.status == "ok" and away.message.endswith('".[b]")')


def only(monkeypatch, *checks):
    """Let `examine` run these checks and no other."""
    monkeypatch.setattr(doctor, "CHECKS", [getattr(doctor, name) for name in checks])


def test_text_has_one_line_each_and_status_1(monkeypatch, capsys, tmp_path):
    only(monkeypatch, "_python", "_folders")
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("NBNET_CACHE", str(blocked / "cache"))
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[ok]   Python: 3.")
    broken = [line for line in lines if line.startswith("[FAIL]")]
    assert len(broken) == 1
    assert broken[0].startswith("[FAIL] cache folder: cannot write to")
    assert broken[0].endswith("set NBNET_CACHE to a folder of your own")
    assert lines[-1] == "1 to fix, 0 to know, 5 in order"


def test_an_old_package_is_named_with_the_command_that_fixes_it(monkeypatch):
    only(monkeypatch, "_packages")
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy>=99", "x; extra == 'y'"])
    [finding] = doctor.examine()
    assert finding.status == "fail"
    assert ">=99 is needed" in finding.message
    assert finding.fix == 'python -m pip install "numpy>=99"'


def test_a_missing_and_a_broken_package(monkeypatch):
    only(monkeypatch, "_packages")
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["no-such-thing>=1", "tqdm"])
    monkeypatch.setitem(sys.modules, "tqdm", None)  # importing it now fails
    missing, broken = doctor.examine()
    assert (missing.status, missing.message) == ("fail", "not installed")
    assert broken.status == "fail" and "cannot be imported" in broken.message


def test_without_the_distribution_it_says_how_to_install(monkeypatch):
    only(monkeypatch, "_packages")

    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "requires", requires)
    [finding] = doctor.examine()
    assert finding.line() == f"[FAIL] nbnet-lib: not installed in this Python: {doctor.REINSTALL}"


def test_a_kernel_of_another_python_is_found(monkeypatch):
    only(monkeypatch, "_kernel")
    from jupyter_client import kernelspec

    def spec(self, name):
        return SimpleNamespace(argv=["/elsewhere/bin/python", "-m", "x"], resource_dir="there")

    monkeypatch.setattr(kernelspec.KernelSpecManager, "get_kernel_spec", spec)
    [finding] = doctor.examine()
    assert finding.status == "fail"
    assert "/elsewhere/bin/python, not this Python" in finding.message


@pytest.mark.parametrize(("free_gib", "status"), [(100.0, "ok"), (2.0, "warn"), (0.1, "fail")])
def test_disk(monkeypatch, free_gib, status):
    only(monkeypatch, "_machine")
    usage = SimpleNamespace(free=free_gib * 2**30)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    [disk] = [f for f in doctor.examine() if f.name == "disk"]
    assert disk.status == status


def test_damaged_weights_are_found(monkeypatch, tmp_path):
    only(monkeypatch, "_weights")
    weights = tmp_path / "nbnet_lib" / "weights"
    weights.mkdir(parents=True)
    monkeypatch.setattr(doctor, "CLONE", tmp_path)
    assert [f.status for f in doctor.examine()] == ["fail"]
    (weights / "a.safetensors").write_bytes(b"abc")
    (weights / "a.json").write_text('{"sha256": "0"}')
    (weights / "b.safetensors").write_bytes(b"abc")
    damaged, cardless = doctor.examine()
    assert "does not match its card" in damaged.message
    assert "card cannot be read" in cardless.message


def test_a_check_that_breaks_does_not_silence_the_others(monkeypatch):
    def gpu():
        raise ImportError("libtorch.so is missing\nmore")

    monkeypatch.setattr(doctor, "CHECKS", [doctor._python, gpu])
    python, broken = doctor.examine()
    assert python.status == "ok"
    assert (broken.name, broken.message) == ("gpu", "ImportError: libtorch.so is missing")


def test_the_doctor_speaks_where_torch_or_matplotlib_is_broken():
    code = (
        "import sys\nimport nbnet_lib.doctor\n"
        "assert not {'numpy', 'torch', 'matplotlib', 'ipywidgets'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
