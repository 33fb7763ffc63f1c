"""The training loop: it learns, repeats itself, resumes bit for bit and refuses bad data."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.attack import TrainConfig, learning_rate, train_decoder
from nbnet_lib.attack.checkpoint import RunState, list_checkpoints, load_checkpoint
from nbnet_lib.attack.data import Pairs, Pictures, batch_rows, fingerprint
from nbnet_lib.attack.objective import Objective
from nbnet_lib.decoders import create_decoder
from nbnet_lib.errors import NbnetError

CONFIG = TrainConfig(
    steps=12,
    batch_size=4,
    lr=2e-3,
    schedule="onecycle",
    ema_decay=0.9,
    log_every=3,
    checkpoint_every=4,
    keep=2,
)


def pairs(n=40, dim=16, size=40):
    """Pictures of one colour, which the template determines."""
    rng = np.random.default_rng(0)
    templates = F.normalize(torch.from_numpy(rng.normal(size=(n, dim))).float(), dim=1)
    colours = (127.5 + 250 * templates[:, :3].numpy()).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(
        np.broadcast_to(colours[:, None, None], (n, size, size, 3))
    ), templates


def decoder(seed=0):
    torch.manual_seed(seed)
    return create_decoder("nbnet-b", 16, 40, base_channels=64, growth=1)


def train(config=CONFIG, model=None, **options):
    model = model or decoder()
    options = {"identities": None, "progress": False, **options}
    history = train_decoder(model, *pairs(), config, **options)
    return model, history


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def uninterrupted():
    return train()


def test_it_learns():
    config = replace(CONFIG, steps=60, lr=1e-2, log_every=10, ema_decay=None)
    model, history = train(config, create_decoder("dcnn", 16, 40, base_channels=32))
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert not model.training
    assert set(history[0]) == {"step", "loss", "lr", "images_per_second", "seconds"}
    assert [entry["step"] for entry in history] == [10, 20, 30, 40, 50, 60]


def test_same_seed_same_weights(uninterrupted):
    again, _ = train()
    assert same(uninterrupted[0], again)
    other, _ = train(replace(CONFIG, seed=1))
    assert not same(uninterrupted[0], other)


def test_the_averaged_weights_are_delivered(tmp_path):
    model, _ = train(folder=tmp_path)
    parts = load_checkpoint(list_checkpoints(tmp_path)[-1])["parts"]
    delivered = model.state_dict()
    assert all(torch.equal(delivered[key], value) for key, value in parts["averaged"].items())
    assert not all(torch.equal(delivered[key], value) for key, value in parts["network"].items())


def test_resume_is_bit_identical(uninterrupted, tmp_path):
    def stop(model, step):
        if step == 10:
            raise RuntimeError("power cut")
        return {}

    with pytest.raises(RuntimeError, match="power cut"):
        train(replace(CONFIG, evaluate_every=5), folder=tmp_path, evaluate=stop)
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000004.pt", "step-00000008.pt"]
    resumed, history = train(model=decoder(seed=99), folder=tmp_path, resume=True)
    assert same(uninterrupted[0], resumed)
    assert history[-1]["step"] == 12
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000008.pt", "step-00000012.pt"]
    assert (tmp_path / "best.pt").exists()


def test_resume_in_an_empty_folder_starts_afresh(uninterrupted, tmp_path):
    model, _ = train(folder=tmp_path, resume=True)
    assert same(uninterrupted[0], model)


def test_best_checkpoint_is_the_one_with_the_best_value(tmp_path):
    values = {4: 0.1, 8: 0.9, 12: 0.3}
    config = replace(CONFIG, evaluate_every=4, best="score", keep=1)
    _, history = train(config, folder=tmp_path, evaluate=lambda m, step: {"score": values[step]})
    assert load_checkpoint(tmp_path / "best.pt")["step"] == 8
    assert [entry["score"] for entry in history if "score" in entry] == [0.1, 0.9, 0.3]
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000012.pt"]


def test_the_lowest_loss_is_the_best():
    run = RunState(torch.nn.Linear(1, 1), {}, replace(CONFIG, best="loss"), "data", None)
    losses = [3.0, 2.0, 2.5, float("nan"), 1.0]
    best = [run.add({"step": i, "loss": loss}, True) for i, loss in enumerate(losses)]
    assert best == [True, True, False, False, True]


def test_the_template_loss_is_weighed():
    recogniser = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 16))
    made, picture = torch.rand(2, 2, 3, 8, 8) * 2 - 1
    template = F.normalize(torch.rand(2, 16), dim=1)
    quarter, half = (
        Objective(replace(CONFIG, template_weight=weight), torch.device("cpu"), recogniser)
        for weight in (0.25, 0.5)
    )
    pixel = (made - picture).abs().mean()
    added = [loss(made, picture, template, 0) - pixel for loss in (quarter, half)]
    assert added[0] > 0 and torch.isclose(added[1], 2 * added[0], rtol=1e-4)


def test_evaluation_sees_evaluation_mode_and_does_not_disturb(uninterrupted):
    def look(model, step):
        assert not model.training
        model(torch.randn(2, 16))
        return {}

    model, _ = train(replace(CONFIG, evaluate_every=1), evaluate=look)
    assert same(uninterrupted[0], model)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import test_train_loop as t
from dataclasses import replace
def slow(model, step):
    print(step, flush=True)
    import time; time.sleep({pause})
    return {{}}
t.train(replace(t.CONFIG, evaluate_every=1), folder={folder!r}, evaluate=slow)
"""


def _start(folder, pause):
    text = SCRIPT.format(tests=os.path.dirname(__file__), folder=str(folder), pause=pause)
    process = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:  # until after the first checkpoint, at step 4
        if int(line) >= 6:
            return process
    raise AssertionError(process.communicate()[1])


def test_killed_run_resumes_bit_identical(uninterrupted, tmp_path):
    process = _start(tmp_path, 0.2)
    process.kill()
    process.communicate()
    assert process.returncode not in (0, None)
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000004.pt"]
    resumed, _ = train(model=decoder(seed=99), folder=tmp_path, resume=True)
    assert same(uninterrupted[0], resumed)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles only")
def test_ctrl_c_saves_and_says_how_to_continue(uninterrupted, tmp_path):
    process = _start(tmp_path, 0.2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "KeyboardInterrupt: stopped after step" in stderr and "--resume" in stderr
    assert list_checkpoints(tmp_path)[-1].name > "step-00000004.pt"  # saved where it stopped
    resumed, _ = train(model=decoder(seed=99), folder=tmp_path, resume=True)
    assert same(uninterrupted[0], resumed)


def test_nan_loss_stops_and_names_the_last_good_checkpoint(tmp_path):
    model = decoder()

    def poison(module, step):
        if step == 6:
            with torch.no_grad():
                model.head.weight.fill_(float("nan"))
        return {}

    with pytest.raises(NbnetError, match=r"NaN.*step \d+ .*rate 0\.0.*step-00000004\.pt"):
        train(
            replace(CONFIG, evaluate_every=1, ema_decay=None),
            model,
            folder=tmp_path,
            evaluate=poison,
        )
    for value in load_checkpoint(tmp_path)["parts"]["network"].values():
        assert torch.isfinite(value.float()).all()


def test_weights_that_burst_are_noticed_before_they_are_saved(tmp_path):
    """A finite loss with a slope of NaN: the loss itself would show it one update later."""
    model = decoder()
    model.head.weight.register_hook(lambda slope: slope * float("nan"))
    config = replace(CONFIG, checkpoint_every=1)
    with pytest.raises(NbnetError, match=r"step 1 .*none was"):
        train(config, model, folder=tmp_path)
    assert not list_checkpoints(tmp_path)


def test_what_was_resumed_from_is_the_last_good_checkpoint(tmp_path):
    config = replace(CONFIG, steps=2, schedule="constant")
    train(config, folder=tmp_path)
    model = decoder()
    model.head.weight.register_hook(lambda slope: slope * float("nan"))
    with pytest.raises(NbnetError, match=r"last good checkpoint: .*step-00000002\.pt"):
        train(replace(config, steps=4), model, folder=tmp_path, resume=True)


def test_bf16_trains_to_about_the_same_loss():
    config = replace(CONFIG, steps=20, ema_decay=None)
    _, full = train(config)
    _, half = train(replace(config, precision="bf16"))
    assert half[-1]["loss"] == pytest.approx(full[-1]["loss"], rel=0.2)


def test_a_checkpoint_of_other_settings_data_or_decoder_is_refused(tmp_path):
    train(folder=tmp_path)
    with pytest.raises(NbnetError, match="lr: 0.002 then, 0.1 now"):
        train(replace(CONFIG, lr=0.1), folder=tmp_path, resume=True)
    other = torch.nn.functional.normalize(torch.randn(40, 16), dim=1)
    with pytest.raises(NbnetError, match="other training data"):
        train_decoder(
            decoder(), pairs()[0], other, CONFIG, identities=None, folder=tmp_path, resume=True
        )
    with pytest.raises(NbnetError, match="another network"):
        wrong = create_decoder("nbnet-a", 16, 40, base_channels=64, growth=1)
        train(model=wrong, folder=tmp_path, resume=True)


def test_damaged_or_foreign_checkpoints(tmp_path):
    train(replace(CONFIG, steps=4), folder=tmp_path)
    path = list_checkpoints(tmp_path)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NbnetError, match="not a readable checkpoint"):
        load_checkpoint(path)
    torch.save({"a": 1}, path)
    with pytest.raises(NbnetError, match="this version"):
        load_checkpoint(path)
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(NbnetError, match="not a readable checkpoint"):  # a pickle that would run
        load_checkpoint(path)
    with pytest.raises(NbnetError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "none.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NbnetError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "empty")


def test_bad_training_data():
    images, templates = pairs(8)

    def attempt(key_word, images=images, templates=templates, identities=None, model=None):
        with pytest.raises(NbnetError, match=key_word):
            train_decoder(
                model or decoder(), images, templates, CONFIG, identities=identities, progress=False
            )

    attempt("give uint8", images=images.astype(np.float32))
    attempt(r"\[N, S, S, 3\]", images=images[:, :30])
    attempt("image_size 40 but the training pairs have 20", images=images[:, ::2, ::2])
    attempt("template_dim 16 but the training pairs have 8", templates=templates[:, :8])
    attempt("one template", templates=templates[:-1])
    attempt("at least one image", images=images[:0], templates=templates[:0])
    attempt("give one per image", identities=[10_000])
    attempt("identity 9999 is kept for evaluation", identities=[9_999] + [10_000] * 7)
    nan = templates.clone()
    nan[5, 2] = float("nan")
    attempt("row 5 holds NaN", templates=nan)


def test_unwritable_checkpoint_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NbnetError, match="cannot write to the folder"):
        train(folder=tmp_path / "file" / "run")


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"lr": 0.0},
        {"schedule": "steep"},
        {"precision": "fp8"},
        {"ema_decay": 1.0},
        {"template_weight": -1.0},
        {"template_weight": float("nan")},
        {"adversarial_weight": float("inf")},
        {"evaluate_every": -1},
        {"loss": "cubist"},
        {"accumulate": 65},  # of 64 pairs
        {"patience": 2},
        {"patience": 2, "best": "score"},
        {"deliver": "best"},
    ],
)
def test_settings_are_checked(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(NbnetError, match=f"{name}.*{value}|{value}.*{name}"):
        TrainConfig(**wrong)


def test_learning_rates():
    paper = TrainConfig()
    assert learning_rate(paper, 0) == learning_rate(paper, 4999) == 2e-4
    assert learning_rate(paper, 5000) == pytest.approx(2e-4 * 0.94)
    assert learning_rate(paper, 399_999) == pytest.approx(2e-4 * 0.94**79)
    cosine = TrainConfig(steps=100, schedule="cosine", lr=1.0)
    assert learning_rate(cosine, 0) == 1
    assert learning_rate(cosine, 50) == pytest.approx(0.5)
    onecycle = TrainConfig(steps=100, schedule="onecycle", lr=1.0)
    rates = [learning_rate(onecycle, step) for step in range(100)]
    assert max(rates) == pytest.approx(1) and rates.index(max(rates)) in (9, 10)
    assert rates[0] == pytest.approx(0.1) and rates[-1] < 0.01
    assert learning_rate(TrainConfig(schedule="constant"), 10**6) == 2e-4


def test_each_epoch_is_one_permutation():
    rows = [batch_rows(10, 3, step, seed=5) for step in range(6)]
    for epoch in (rows[:3], rows[3:]):
        assert len(set(np.concatenate(epoch))) == 9
    assert not np.array_equal(rows[0], rows[3])
    assert np.array_equal(rows[4], batch_rows(10, 3, 4, seed=5))
    assert len(batch_rows(2, 64, 7, seed=0)) == 2  # fewer pairs than a batch


def test_images_may_be_a_memory_map(tmp_path):
    images, templates = pairs(8)
    mapped = np.lib.format.open_memmap(tmp_path / "i.npy", "w+", np.uint8, images.shape)
    mapped[:] = images
    batch, rows = Pairs(mapped, templates, None).batch(np.array([3, 1]))
    torch.testing.assert_close(batch[0, :, 0, 0], torch.from_numpy(images[3, 0, 0]) / 127.5 - 1)
    assert torch.equal(rows, templates[[3, 1]])


def test_nothing_is_left_of_the_interrupt_handler():
    # Not compared with Python's own handler: a shell may start the tests with SIGINT ignored.
    before = signal.getsignal(signal.SIGINT)
    train()
    assert signal.getsignal(signal.SIGINT) is before


def test_one_exchanged_template_or_picture_is_other_data():
    images, templates = pairs(400)
    before = fingerprint(images, templates)
    assert before == fingerprint(images.copy(), templates.clone())
    other = templates.clone()
    other[321, 3] += 1e-6
    assert before != fingerprint(images, other) != fingerprint(images[::-1], other)


def test_pictures_in_several_arrays_are_one_set():
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    for whole, chosen in (
        (images, Pictures([images[:2], images[2:5], images[5:]])),
        (images[[3, 3, 0, 8]], Pictures([images[:4], images[4:]], np.array([3, 3, 0, 8]))),
    ):
        assert (
            chosen.shape == whole.shape and chosen.dtype == np.uint8 and len(chosen) == len(whole)
        )
        for which in (slice(None), slice(1, 3), np.array([3, 0]), np.array([], int), 2, -1):
            assert np.array_equal(chosen[which], whole[which])
        assert np.array_equal(np.asarray(chosen), whole)
        for outside in (9, np.array([0, 9])):
            with pytest.raises(IndexError):
                chosen[outside]
    with pytest.raises(NbnetError, match="sizes"):
        Pictures([images, images[:, :2]])
