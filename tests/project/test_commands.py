"""The README's commands, the Makefile, the CI script, and the set-up that they share."""

import functools
import http.server
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from nbnet_lib.cli import parser
from nbnet_lib.evaluate import tables
from nbnet_lib.weights import load_card

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "nbnet_lib/evaluate/EVALUATION.md",
    "guides/audit_your_recogniser.md",
    "guides/how_strong_is_the_attack.md",
    "guides/run_the_paper_on_lfw.md",
    "guides/teach_this_course.md",
]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def commands(path: Path) -> list[str]:
    """Return the lines inside the fenced blocks of a Markdown file, up to a remark or a pipe."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)
    return [re.split("[#|]", line)[0].strip() for b in blocks for line in b.splitlines()]


def targets(root: Path) -> set[str]:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):(?!=)", makefile, re.M))


def test_readme_has_the_two_commands_alone_on_their_lines(root):
    lines = commands(root / "README.md")
    assert lines.count("make course") == lines.count("make test") == 1


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documented_commands_exist(root, document):
    for command in commands(root / document):
        words = command.split()
        if words[:1] == ["make"]:
            assert words[1] in targets(root), command
        elif words[:1] == ["nbnet"] and "<" not in command:
            try:
                parser().parse_args(shlex.split(command)[1:])  # exits with 2 on an unknown option
            except SystemExit as ended:
                assert ended.code == 0, command  # --list-recipes answers and ends


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(root, document):
    text = (root / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert ((root / document).parent / target).exists(), f"{document} links to {target}"


def test_readme_table_is_the_one_in_the_card(root):
    """The card's benchmark comes from `nbnet evaluate --into-card`."""
    card = load_card("nbnet-b-64")
    assert "benchmark" in card, "run: nbnet evaluate --decoder nbnet-b-64 --into-card"
    expected = tables.to_markdown(tables.attack_table(card["benchmark"]))
    text = (root / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- ATTACK TABLE: begin.*?-->\n(.*?)\n<!-- ATTACK TABLE: end", text, re.S)
    assert found is not None
    assert found.group(1) == expected, f"write this table into README.md:\n{expected}"


def test_readme_compares_the_shipped_decoders_as_their_cards_do(root):
    lines = [
        "| decoder | target | trained with | updates "
        "| target: type-I | type-II | judge: type-I | type-II |",
        "|---|---|---|---|---|---|---|---|",
    ]
    colour = ("dcnn-64-colour", "nbnet-b-64-pixel-colour", "nbnet-b-64-colour")
    for name in ("nbnet-b-64", *colour):
        card = load_card(name)
        config, benchmark = card["config"], card["benchmark"]
        loss = "pixel + 0.5 perceptual" if "perceptual" in config["loss"] else "pixel loss"
        loss += ", portraits" if card.get("draws") == "portraits" else ""
        loss += ", surrogate" if config["template_weight"] else ""
        cells = [f"`{name}`", f"`{card['encoder']}`", loss, f"{config['steps']:,}"]
        for rates in (benchmark["far"], benchmark["judges"]["independent"]):
            cells += [f"{100 * rates['0.001'][kind]['tar']:.1f} %" for kind in ("type1", "type2")]
        lines.append("| " + " | ".join(cells) + " |")
    expected = "\n".join(lines)
    text = (root / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- DECODERS: begin.*?-->\n(.*?)\n?<!-- DECODERS: end", text, re.S)
    assert found is not None
    assert found.group(1) == expected, f"write this table into README.md:\n{expected}"


def test_ci_calls_what_the_readme_says(root):
    script = root / ".ci" / "run"
    assert script.read_text(encoding="utf-8").rstrip().endswith("\nmake test")
    if os.name != "nt":
        assert os.access(script, os.X_OK)
    workflow = (root / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    for text in ("run: make course", "run: make test", "ubuntu-", "macos-", "windows-"):
        assert text in workflow


@needs_make
def test_make_knows_its_targets(root):
    for target in ("course", "test", "lab", "html", "slides", "doctor", "clean", "help"):
        done = subprocess.run(["make", "-n", target], cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@needs_make
def test_an_old_python_is_refused_in_one_line(root, tmp_path):
    old = tmp_path / "oldpython"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")  # what `sys.exit(True)` does
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "env", f"PYTHON={old}"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert done.stderr.startswith("error: Python 3.10 or newer is needed"), done.stderr
    assert "Traceback" not in done.stderr


@needs_make
def test_a_python3_that_does_not_run_is_passed_over(root, tmp_path):
    """Windows puts a python3 on the path that only opens its shop."""
    for name, script in (("python3", "exit 49"), ("python", f'exec "{sys.executable}" "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["make", "-n", "env"],
        cwd=root,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    assert "python tools/make_env.py" in done.stdout, done.stdout + done.stderr


def load_make_env(root: Path) -> Any:
    spec = importlib.util.spec_from_file_location("make_env", root / "tools" / "make_env.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_env(root, tmp_path, monkeypatch):
    """tools/make_env.py on an empty repository, with pip and venv replaced by recorders."""
    module = load_make_env(root)
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "python")
    calls: list[str] = []

    def fake_venv() -> None:
        calls.append("venv")
        (tmp_path / ".venv").mkdir(exist_ok=True)
        module.PYTHON.touch()

    monkeypatch.setattr(module, "make_venv", fake_venv)
    monkeypatch.setattr(module, "pip_install", lambda *a, **k: calls.append("pip"))
    monkeypatch.setenv("NBNET_TORCH", "gpu")  # asks no index of builds
    monkeypatch.setattr(module, "compile_renderer", lambda: calls.append("compile"))
    module.calls = calls
    return module


def test_a_second_set_up_does_nothing_unless_pyproject_changed(make_env):
    make_env.main()
    make_env.main()
    assert make_env.calls == ["venv", "pip", "pip", "compile"]
    (make_env.ROOT / "pyproject.toml").write_text("[project]\nname='x'\n", encoding="utf-8")
    make_env.main()
    assert make_env.calls == ["venv", "pip", "pip", "compile"] * 2


def test_an_interrupted_install_is_not_taken_for_a_finished_one(make_env, monkeypatch):
    def interrupted(*arguments: str) -> None:
        raise KeyboardInterrupt

    make_env.main()
    (make_env.ROOT / "pyproject.toml").write_text("[project]\nname='x'\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(make_env, "pip_install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_env.main()
    assert not make_env.ready()
    make_env.main()
    assert make_env.ready()


def test_a_failed_pip_shows_its_last_lines(root, tmp_path):
    """The real `pip_install`, with a Python that knows no pip."""
    code = (
        "import sys; sys.path.insert(0, 'tools'); import make_env; from pathlib import Path; "
        f"make_env.PYTHON = Path({str(tmp_path / 'python')!r}); make_env.pip_install('x')"
    )
    fake = tmp_path / "python"
    if os.name == "nt":
        pytest.skip("needs a shell script as Python")
    fake.write_text("#!/bin/sh\necho 'No module named pip'; exit 1\n", encoding="utf-8")
    fake.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert "No module named pip" in done.stderr
    assert "error: pip could not install" in done.stderr


def test_pip_installs_here_whatever_the_users_settings_say(root, tmp_path, monkeypatch):
    """`user = true` ended in pip's "Can not perform a '--user' install"."""
    module = load_make_env(root)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    python = tmp_path / ".venv" / module.PYTHON.relative_to(root / ".venv")
    monkeypatch.setattr(module, "PYTHON", python)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / ".venv"], check=True)
    package = tmp_path / "package"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
        encoding="utf-8",
    )
    (package / "backend.py").write_text(BACKEND, encoding="utf-8")
    config = tmp_path / "pip.conf"
    config.write_text("[install]\nuser = true\n", encoding="utf-8")
    elsewhere = {"PIP_TARGET": str(tmp_path / "elsewhere"), "PYTHONPATH": str(tmp_path)}
    for settings in ({"PIP_CONFIG_FILE": str(config)}, {"PIP_USER": "1", **elsewhere}):
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            module.pip_install("--no-index", "--no-build-isolation", "-I", str(package))
            done = subprocess.run([python, "-c", "import nbnet_here"], env=module.own_environment())
        assert done.returncode == 0
    assert not (tmp_path / "elsewhere").exists()


BACKEND = """
import zipfile
VERSION, PURE = "Version: 1.0\\n", "Root-Is-Purelib: true\\n"
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "nbnet_here-1.0-py3-none-any.whl"
    info = "nbnet_here-1.0.dist-info"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.writestr("nbnet_here.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: nbnet-here\\n" + VERSION)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n" + PURE)
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


@pytest.fixture
def cpu_index(make_env, tmp_path, monkeypatch):
    """An index of CPU builds on this machine, for the real pip, and no NVIDIA driver."""
    folder = tmp_path / "index" / "torch"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "torch-2.5+cpu-py3-none-any.whl", "w") as wheel:
        info = "torch-2.5+cpu.dist-info"
        wheel.writestr("torch_build.py", "BUILD = 'cpu'")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 2.5+cpu\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nRoot-Is-Purelib: true\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    handler = functools.partial(SilentHandler, directory=str(folder.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(make_env, "CPU_INDEX", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(make_env.platform, "system", lambda: "Linux")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("NBNET_TORCH")
    text = '[project]\ndependencies = [\n    "torch>=2.4", # networks\n]\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    yield server
    server.shutdown()
    server.server_close()


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


def test_without_a_driver_torch_is_the_cpu_build(root, make_env, cpu_index, capsys, monkeypatch):
    """The real pip takes it from the index of CPU builds."""
    real = load_make_env(root)
    subprocess.run([sys.executable, "-m", "venv", make_env.VENV], check=True)
    python = make_env.VENV / real.PYTHON.relative_to(root / ".venv")
    for name, value in {"ROOT": make_env.ROOT, "PYTHON": python}.items():
        monkeypatch.setattr(real, name, value)
    monkeypatch.setattr(make_env, "PYTHON", python)
    taken = []

    def pip_install(*arguments: str, index: str | None = None) -> None:
        if index:
            taken.append(arguments[-1])
            real.pip_install(*arguments, index=index)

    monkeypatch.setattr(make_env, "pip_install", pip_install)
    monkeypatch.setattr(make_env, "make_venv", lambda: None)
    make_env.main()
    code = "import torch_build; print(torch_build.BUILD)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert taken == ["torch>=2.4"] and done.stdout.strip() == "cpu", done.stderr
    assert f"torch without GPU libraries, from {make_env.CPU_INDEX}" in capsys.readouterr().out
    assert make_env.stamp()[1] == "cpu" and make_env.ready()
    monkeypatch.setenv("NBNET_TORCH", "gpu")  # the other one: a new environment
    assert not make_env.ready()


def test_an_index_that_does_not_answer_is_done_without(make_env, cpu_index, capsys, monkeypatch):
    cpu_index.shutdown()
    cpu_index.server_close()
    make_env.main()
    assert "does not answer: torch comes from the package index" in capsys.readouterr().out
    assert make_env.calls == ["venv", "pip", "pip", "compile"] and make_env.stamp()[1] == "gpu"
    monkeypatch.setenv("NBNET_TORCH", "cpu")
    with pytest.raises(SystemExit, match="NBNET_TORCH=cpu, and http.* does not answer"):
        make_env.main()
    monkeypatch.delenv("NBNET_TORCH")  # the advice
    make_env.main()
    assert make_env.ready()


def test_with_a_driver_torch_comes_with_gpu_libraries(make_env, cpu_index, tmp_path, monkeypatch):
    if os.name == "nt":
        pytest.skip("needs a shell script as nvidia-smi")
    driver = tmp_path / "empty" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    driver.chmod(0o755)
    assert not make_env.cpu_torch_wanted()
    driver.write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")  # the driver does not answer
    assert make_env.cpu_torch_wanted()
    monkeypatch.setenv("NBNET_TORCH", "tpu")
    with pytest.raises(SystemExit, match="NBNET_TORCH=tpu"):
        make_env.main()


def test_a_mac_without_torch_is_refused_before_the_download(make_env, monkeypatch):
    monkeypatch.setattr(make_env.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(make_env.platform, "machine", lambda: "x86_64")
    with pytest.raises(SystemExit, match="Intel"):
        make_env.main()
    assert not make_env.calls
