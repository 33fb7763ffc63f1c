"""As a reader would: JupyterLab in a real browser, a chapter opened, "Run All Cells", look.

Drives a Chromium that is on the machine (fixture ``chromium``: skipped without one, failed in CI).
The screenshot is kept in pytest's temporary folder; ``NBNET_SCREENSHOTS`` names another.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = "01_what_is_a_template"
SECONDS = 240  # for the whole chapter, quick profile, on a busy machine

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


@pytest.fixture
def lab(tmp_path):
    """Start JupyterLab over a copy of the chapters, with settings and files of its own."""
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


@pytest.mark.browser
@pytest.mark.notebook
def test_a_reader_opens_chapter_01_and_runs_all_cells(chromium, lab, tmp_path):
    from playwright.sync_api import sync_playwright

    url, token = lab
    shots = Path(os.environ.get("NBNET_SCREENSHOTS", tmp_path))
    shots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--no-proxy-server",
            ],
        )
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1600})
            page.set_default_timeout(60_000)
            page.goto(f"{url}/lab/tree/{CHAPTER}.ipynb?token={token}&reset")
            page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
            page.evaluate(
                "() => window.jupyterapp.shell.currentWidget.sessionContext.ready.then(() => true)"
            )
            page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
            page.wait_for_function(IDLE, timeout=SECONDS * 1000, polling=500)

            errors = page.locator('.jp-OutputArea [data-mime-type="application/vnd.jupyter.error"]')
            assert errors.count() == 0, errors.first.inner_text()
            text = page.locator(".jp-Notebook").inner_text()
            assert "profile quick" in text
            assert text.count("not attempted yet") == 4
            pictures = page.locator('.jp-OutputArea-output[data-mime-type="image/png"] img')
            assert pictures.count() >= 8
            assert page.evaluate(
                "() => [...document.querySelectorAll('.jp-OutputArea-output img')]"
                ".every(i => i.complete && i.naturalWidth > 100)"
            )

            sliders = page.locator(".jp-OutputArea .widget-slider")
            sliders.first.wait_for()
            assert sliders.count() == 17  # 13 of the face, 4 of the pair
            sliders.first.scroll_into_view_if_needed()
            view = pictures.filter(visible=True)
            before = [view.nth(i).get_attribute("src") for i in range(view.count())]
            handle = page.locator(".jp-OutputArea .widget-slider .noUi-handle").first
            handle.focus()
            handle.press("ArrowRight")
            page.wait_for_function(
                "before => [...document.querySelectorAll("
                "'.jp-OutputArea-output[data-mime-type=\"image/png\"] img')]"
                ".some((image, i) => image.getAttribute('src') !== before[i])",
                arg=before,
                timeout=30_000,
            )
            page.screenshot(path=shots / "chapter_01.png")
        except Exception:
            page.screenshot(path=shots / "chapter_01_failed.png")
            raise
        finally:
            browser.close()
    assert (shots / "chapter_01.png").stat().st_size > 20_000
