"""The guards in conftest.py hold."""

import os
import socket

import pytest


def test_another_machine_cannot_be_reached():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(0.2)
        with pytest.raises(RuntimeError, match=r"works offline.*192\.0\.2\.1"):
            client.connect(("192.0.2.1", 80))
        with pytest.raises(RuntimeError, match="works offline"):
            client.connect_ex(("example.invalid", 80))


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname(), timeout=5):
            pass


def test_threads_and_profile_are_set():
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["NBNET_PROFILE"] == "quick"
