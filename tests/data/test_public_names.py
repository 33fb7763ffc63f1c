"""What `nbnet_lib.data` offers, and that a download does not wait for torch."""

import subprocess
import sys

import pytest

import nbnet_lib.data as data


def test_every_public_name_is_there():
    for name in data.__all__:
        assert getattr(data, name).__name__ == name
    with pytest.raises(AttributeError, match="has no photographs"):
        data.photographs  # noqa: B018


def test_a_download_needs_no_torch():
    code = "import sys, nbnet_lib.data.remote; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
