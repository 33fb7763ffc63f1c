"""Profiles, seeds and devices."""

import numpy as np
import pytest
import torch

from nbnet_lib.course.profile import PROFILES, Session, resolve_profile, start
from nbnet_lib.device import resolve_device
from nbnet_lib.errors import NbnetError


def test_auto_reads_the_environment_and_falls_back_to_laptop(monkeypatch):
    monkeypatch.setenv("NBNET_PROFILE", "quick")
    assert resolve_profile("auto") == "quick"
    assert resolve_profile("gpu") == "gpu"
    monkeypatch.delenv("NBNET_PROFILE")
    assert resolve_profile("auto") == "laptop"


def test_an_unknown_profile_is_named(monkeypatch):
    with pytest.raises(NbnetError, match="quick, laptop, gpu, paper"):
        resolve_profile("Quick")
    monkeypatch.setenv("NBNET_PROFILE", "huge")
    with pytest.raises(NbnetError, match="NBNET_PROFILE is 'huge'"):
        start()


def test_start_prints_one_line_with_versions_and_settings(capsys):
    session = start("quick", seed=3, device="cpu")
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    for part in (f"torch {torch.__version__}", "profile quick", "seed 3", "device cpu"):
        assert part in line
    assert session == Session("quick", 3, "cpu")
    with pytest.raises(AttributeError):
        session.seed = 4


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(NbnetError, match="whole number"):
        start("quick", seed=seed)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(NbnetError, match="cannot be used here"):
        resolve_device("cuda:99")
    with pytest.raises(NbnetError, match="'toaster'"):
        resolve_device("toaster")


def test_pick_takes_the_nearest_smaller_profile():
    values = [Session(p, 0, "cpu").pick(quick=1, gpu=3) for p in PROFILES]
    assert values == [1, 1, 3, 3]
    with pytest.raises(NbnetError, match="no value"):
        Session("quick", 0, "cpu").pick(laptop=1)
    with pytest.raises(NbnetError, match="'tiny' is not a profile"):
        Session("quick", 0, "cpu").pick(quick=1, tiny=0)


def test_generators_repeat_with_the_seed_and_differ_by_stream():
    a, b = Session("quick", 7, "cpu"), Session("quick", 8, "cpu")
    assert np.array_equal(a.rng(1).random(5), a.rng(1).random(5))
    assert not np.array_equal(a.rng(1).random(5), a.rng(2).random(5))
    assert not np.array_equal(a.rng(1).random(5), b.rng(1).random(5))
    draw = [torch.rand(5, generator=g) for g in (a.generator(), a.generator(), a.generator(1))]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])


def test_starting_leaves_global_generators_alone():
    np.random.seed(1)
    torch.manual_seed(1)
    start("quick", 7, "cpu").generator()
    state = np.random.get_state()[1].copy(), torch.get_rng_state()
    np.random.seed(1)
    torch.manual_seed(1)
    assert np.array_equal(np.random.get_state()[1], state[0])
    assert torch.equal(torch.get_rng_state(), state[1])
