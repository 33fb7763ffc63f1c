"""As a reader would: JupyterLab in a real browser, "Run All Cells", a slider, an exercise solved.

Drives a Chromium that is on the machine (fixture ``chromium``: skipped without one, failed in CI).
The screenshots are kept in pytest's temporary folder; ``NBNET_SCREENSHOTS`` names another.
"""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from authoring.sources import BEGIN, END, UNFINISHED
from nbnet_lib.course.progress import read_progress

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240  # for the whole chapter, quick profile, on a busy machine
EXERCISES = {"02": "tar_at", "06": "block_parameters"}  # the function that is typed in

# Without a GPU or a sandbox, and nothing that would ask another machine.
FLAGS = """--no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking
--disable-component-update --disable-sync --no-first-run --no-proxy-server"""
SETTINGS = {  # no news dialogue, no request to other machines, and every cell in the page
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}

IDLE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const kernel = panel?.sessionContext?.session?.kernel;
  const cells = panel?.content?.widgets?.filter(c => c.model.type === 'code') ?? [];
  const waiting = cells.filter(c => c.model.executionCount === null);
  return cells.length > 5 && waiting.length === 0 && kernel?.status === 'idle';
}"""

# Marks the cell that defines a function, so that it can be found in the page.
MARK = """name => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets;
  const cell = cells.find(c => c.model.sharedModel.getSource().includes(`def ${name}(`));
  cell.node.id = 'exercise';
}"""
SOURCE = """name => window.jupyterapp.shell.currentWidget.content.widgets
  .map(c => c.model.sharedModel.getSource()).find(text => text.includes(`def ${name}(`))"""
OUTPUTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(c => c.model.type === 'code').flatMap(c => c.model.sharedModel.getOutputs())"""
PICTURES = '.jp-OutputArea-output[data-mime-type="image/png"] img'
CHANGED = f"""before => [...document.querySelectorAll('{PICTURES}')]
  .some(image => !before.includes(image.getAttribute('src')))"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, server, log):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(240):
        if server.poll() is not None:
            raise AssertionError(f"JupyterLab ended with {server.returncode}:\n{log.read_text()}")
        try:
            opener.open(url, timeout=5).read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise AssertionError(f"JupyterLab did not answer within a minute:\n{log.read_text()}")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The file of the learner's progress."""
    return tmp_path_factory.mktemp("kept") / "progress.json"


@pytest.fixture(scope="module")
def lab(tmp_path_factory, kept):
    """Start JupyterLab over a copy of the chapters, with settings and files of its own."""
    tmp_path = tmp_path_factory.mktemp("lab")
    shutil.copytree(
        ROOT / "chapters", tmp_path / "chapters", ignore=lambda *a: [".ipynb_checkpoints"]
    )
    for name, values in SETTINGS.items():
        path = tmp_path / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    port, token = free_port(), secrets.token_hex(16)
    log = tmp_path / "lab.log"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [
        f"--ServerApp.root_dir={tmp_path / 'chapters'}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "NBNET_PROFILE": "quick",
        "NBNET_PROGRESS": str(kept),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    environment.pop("MPLBACKEND", None)  # as in a reader's shell
    with open(log, "w") as out:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, log)
            yield f"http://127.0.0.1:{port}", token
        finally:
            server.terminate()  # ends the kernels too
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@pytest.fixture
def page(chromium):
    """A page of the browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=FLAGS.split(),
        )
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1600})
            page.set_default_timeout(60_000)
            yield page
        finally:
            browser.close()


def exercise(number, name):
    """Return the name of a chapter, the number of the exercise and the lines of its solution."""
    source = next((ROOT / "solutions").glob(f"{number}_*.py"))
    text = source.read_text(encoding="utf-8")
    body = re.search(rf"def {name}\(.*?{BEGIN}\n(.*?)\n[ ]*{END}", text, re.DOTALL).group(1)
    task = re.search(rf'check\(\s*"([\d.]+)",\s*{name}\)', text).group(1)
    return source.stem, task, textwrap.dedent(body).splitlines()


def open_and_run(page, url, token, chapter):
    page.goto(f"{url}/lab/tree/{chapter}.ipynb?token={token}&reset")
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.ready.then(() => true)"
    )
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    page.wait_for_function(IDLE, timeout=SECONDS * 1000, polling=500)


def move_the_first_slider(page):
    """Move it by keyboard, and wait until a picture in the page is another one."""
    from playwright.sync_api import TimeoutError

    handle = page.locator(".jp-OutputArea .widget-slider .noUi-handle").first
    handle.wait_for()
    handle.scroll_into_view_if_needed()
    before = [image.get_attribute("src") for image in page.locator(PICTURES).all()]
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft"):  # it may be at its end
        handle.focus()
        handle.press(key)
        try:
            page.wait_for_function(CHANGED, arg=before, timeout=10_000)
            return
        except TimeoutError:
            continue
    raise AssertionError("the slider was moved and no picture changed")


def type_the_solution(page, name, lines):
    """Type a solution in place of the unfinished line, as a hand would."""
    page.evaluate(MARK, name)
    cell = page.locator("#exercise")
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-line", has_text=UNFINISHED).click()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+End")
    for i, line in enumerate(lines):
        if i:
            page.keyboard.press("Enter")
            page.keyboard.press("Shift+Home")  # the indentation that the editor offers
            line = f"    {line}"
        page.keyboard.type(line)
    typed = page.evaluate(SOURCE, name)
    assert "\n".join(f"    {line}" for line in lines) in typed, typed
    return cell


@pytest.mark.browser
@pytest.mark.notebook
@pytest.mark.parametrize("number", EXERCISES)
def test_a_reader_runs_a_chapter_moves_a_slider_and_solves_an_exercise(
    number, page, lab, kept, tmp_path
):
    chapter, task, lines = exercise(number, EXERCISES[number])
    shots = Path(os.environ.get("NBNET_SCREENSHOTS", tmp_path))
    shots.mkdir(parents=True, exist_ok=True)
    kept.unlink(missing_ok=True)
    try:
        open_and_run(page, *lab, chapter)
        outputs = page.evaluate(OUTPUTS)
        assert [o["evalue"] for o in outputs if o["output_type"] == "error"] == []
        text = "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream")
        assert "profile quick" in text and "[FAIL]" not in text
        assert text.count("not attempted yet") >= 3 and not kept.exists()
        # A busy browser draws a little later.
        page.wait_for_function(
            f"() => {{ const drawn = [...document.querySelectorAll('{PICTURES}')];"
            " return drawn.length >= 4 && drawn.every(i => i.complete && i.naturalWidth > 100); }"
        )
        page.locator(".jp-OutputArea .widget-toggle-buttons").nth(3).wait_for()  # the quiz
        assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0

        move_the_first_slider(page)
        page.screenshot(path=shots / f"chapter_{number}_slider.png")

        cell = type_the_solution(page, EXERCISES[number], lines)
        page.keyboard.press("Shift+Enter")
        answer = cell.locator(".jp-OutputArea-output", has_text=f"[PASS] {task}")
        answer.wait_for()
        cell.scroll_into_view_if_needed()
        page.screenshot(path=shots / f"chapter_{number}_passed.png")
    except Exception:
        page.screenshot(path=shots / f"chapter_{number}_failed.png")
        raise
    assert read_progress(kept)["exercises"][task]["passed"]
    for name in ("slider", "passed"):
        assert (shots / f"chapter_{number}_{name}.png").stat().st_size > 20_000
