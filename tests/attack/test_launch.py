"""Two real processes of torchrun train what one trains (see `launched.py`)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nbnet_lib.weights import load_card

SCRIPT = Path(__file__).with_name("launched.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]

pytestmark = pytest.mark.slow  # four more processes import torch


def _launch(*words, **environment):
    """Run words in two processes to their end and return what they printed."""
    done = subprocess.run(
        [sys.executable, *TORCHRUN, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one process found, and what each of two found."""
    if not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    out = tmp_path_factory.mktemp("launched")
    subprocess.run([sys.executable, str(SCRIPT), str(out)], check=True, timeout=500)
    _launch(str(SCRIPT), str(out))
    names = ("process-0-of-1.pt", "process-0-of-2.pt", "process-1-of-2.pt")
    return [torch.load(out / name, weights_only=True) for name in names]


def _difference(a, b):
    return max(float((a[key].float() - b[key].float()).abs().max()) for key in a)


def test_two_processes_end_with_the_same_weights(found):
    _, first, second = found
    for name in ("nbnet", "dcnn"):
        assert _difference(first[name][0], second[name][0]) == 0
        assert first[name][1] == second[name][1]  # the history too, times and all


def test_a_network_with_batch_norm_is_that_of_one_process(found):
    """An odd batch, averaged weights and noise; batch norm looks at the pictures of both.

    Sums are rounded in another order, and Adam's first steps enlarge that where a gradient is near
    zero: 2e-4 was seen, where six steps of 1e-3 move a weight by up to 6e-3.
    """
    one, two, _ = found
    assert _difference(one["nbnet"][0], two["nbnet"][0]) < 1e-3
    for alone, together in zip(one["nbnet"][1], two["nbnet"][1], strict=True):
        assert together["step"] == alone["step"]
        assert together["loss"] == pytest.approx(alone["loss"], rel=1e-4)
        assert together.get("blue", 0) == pytest.approx(alone.get("blue", 0), abs=1e-3)


def test_batch_norm_over_both_shares(found):
    """Values, gradients and running statistics of the layer, exactly and not only about."""
    one, *both = (each["layer"] for each in found)
    for kind, whole in enumerate(one[:2]):  # values, gradient of the pictures
        for rank, process in enumerate(both):
            torch.testing.assert_close(process[kind], whole[rank::2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(both[0][2] + both[1][2], one[2], atol=1e-4, rtol=1e-5)
    for process in both:
        torch.testing.assert_close(process[3:], one[3:], atol=1e-5, rtol=1e-5)


def test_why_not_torchs_own_batch_norm_over_processes(found):
    assert "to be on GPU" in found[1]["torchs_own"]


def test_accumulation_and_an_adversary_in_two_processes(found):
    one, two, _ = found
    assert _difference(one["dcnn"][0], two["dcnn"][0]) < 1e-5
    keys = ("loss", "adversary_loss")
    for alone, together in zip(one["dcnn"][1], two["dcnn"][1], strict=True):
        assert [together[k] for k in keys] == pytest.approx([alone[k] for k in keys], rel=1e-3)


def test_a_generator_in_two_processes(found):
    one, *both = (each["generator"] for each in found)
    for state, history in both:
        assert _difference(state, one[0]) < 1e-4
        for alone, together in zip(one[1], history, strict=True):
            for key in ("step", "loss_generator", "loss_discriminator", "real", "fake"):
                assert together[key] == pytest.approx(alone[key], rel=1e-4)


def test_a_signal_to_one_process_stops_both_and_both_continue(found):
    _, *both = found
    for process in both:
        assert "stopped after step 3, saved" in process["said"]
        assert "step-00000003.pt" in process["said"]
        assert _difference(process["cut"][0], process["nbnet"][0]) == 0


def test_nonsense_in_one_process_stops_both(found):
    _, *both = found
    for process in both:
        assert "at or just before step 2" in process["nan"]


def test_an_evaluation_of_the_main_process_stops_both_early(found):
    _, *both = found
    for process in both:
        assert [entry["step"] for entry in process["early"]] == [1, 2, 3]


def test_a_batch_smaller_than_the_processes_is_refused(found):
    for process in found[1:]:
        assert "too small for 2 processes" in process["small"]


def test_the_command_in_two_processes(found, tmp_path):
    """One of them writes; the card says how many there were."""
    arguments = ["-m", "nbnet_lib.cli", "train", "--decoder", "dcnn", "--image-size", "40"]
    arguments += ["--identities", "10000-10004", "--samples", "2", "--steps", "3"]
    arguments += ["--batch-size", "4", "--template-weight", "0.1", "--surrogate-steps", "2"]
    arguments += ["--holdout", "2", "--device", "cpu", "--json", "--out", str(tmp_path / "run")]
    said = _launch(*arguments, NBNET_CACHE=str(tmp_path / "cache"))
    card = json.loads(said)["card"]
    assert card["machine"]["processes"] == 2 and "cosine" in card["metrics"]
    assert load_card(tmp_path / "run" / "decoder.safetensors") == card
