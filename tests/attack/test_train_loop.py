"""The training loop: it learns, repeats itself, resumes bit for bit and refuses bad data."""

import os
import signal
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


@pytest.fixture(scope="module")
def train(pairs, make_decoder):
    """Train a small NbNet-B, or the model given; return it with the history."""

    def run(config=CONFIG, model=None, **options):
        model = model or make_decoder("nbnet-b")
        options = {"identities": None, "progress": False, "device": "cpu", **options}
        return model, train_decoder(model, *pairs, config, **options)

    return run


@pytest.fixture(scope="module")
def uninterrupted(train):
    return train()[0]


def names(folder):
    return [path.name for path in list_checkpoints(folder)]


def test_it_learns(train, make_decoder):
    config = replace(CONFIG, steps=60, lr=1e-2, log_every=10, ema_decay=None)
    model, history = train(config, make_decoder("dcnn"))
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert not model.training
    assert set(history[0]) == {"step", "loss", "lr", "images_per_second", "seconds"}
    assert [entry["step"] for entry in history] == [10, 20, 30, 40, 50, 60]


def test_updates_are_the_papers(pairs, make_decoder):
    """Against two updates written out by hand, each at its rate of the schedule."""
    images, templates = pairs
    config = TrainConfig(steps=2, batch_size=4, schedule="cosine", log_every=1)
    by_hand, model = make_decoder("dcnn"), make_decoder("dcnn")
    adam = torch.optim.Adam(by_hand.parameters(), 2e-4, (0.5, 0.999))
    losses = []
    for step, rate in enumerate((2e-4, 1e-4)):
        adam.param_groups[0]["lr"] = rate
        rows = batch_rows(len(images), 4, step, 0)
        target = torch.from_numpy(images[rows]).permute(0, 3, 1, 2) / 127.5 - 1
        adam.zero_grad()
        loss = (by_hand(templates[rows]) - target).abs().mean()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    options = {"identities": None, "progress": False, "device": "cpu"}
    history = train_decoder(model, images, templates, config, **options)
    assert [entry["loss"] for entry in history] == pytest.approx(losses, rel=1e-5)
    assert [entry["lr"] for entry in history] == pytest.approx([2e-4, 1e-4])
    for name, value in by_hand.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_same_seed_same_weights(train, uninterrupted, one_network):
    assert one_network(uninterrupted, train()[0])
    assert not one_network(uninterrupted, train(replace(CONFIG, seed=1))[0])


def test_the_averaged_weights_are_delivered(train, one_network, tmp_path):
    model, _ = train(folder=tmp_path)
    parts = load_checkpoint(tmp_path)["parts"]
    assert one_network(model, parts["averaged"]) and not one_network(model, parts["network"])


def test_resume_is_bit_identical(train, uninterrupted, make_decoder, one_network, tmp_path):
    def stop(model, step):
        if step == 10:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        train(replace(CONFIG, evaluate_every=5), folder=tmp_path, evaluate=stop)
    assert names(tmp_path) == ["step-00000004.pt", "step-00000008.pt"]
    resumed, history = train(model=make_decoder("nbnet-b", 99), folder=tmp_path, resume=True)
    assert one_network(uninterrupted, resumed)
    assert history[-1]["step"] == 12
    assert names(tmp_path) == ["step-00000008.pt", "step-00000012.pt"]
    assert (tmp_path / "best.pt").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_how_to_continue(
    train, uninterrupted, make_decoder, one_network, tmp_path, number
):
    def press(model, step):
        if step == 6:
            os.kill(os.getpid(), number)

    # Not compared with Python's own handler: a shell may start the tests with SIGINT ignored.
    before = signal.getsignal(number)
    config = replace(CONFIG, evaluate_every=1)
    with pytest.raises(KeyboardInterrupt, match=r"step 7, saved .*step-00000007\.pt.*--resume"):
        train(config, folder=tmp_path, evaluate=press)
    assert signal.getsignal(number) is before
    model = make_decoder("nbnet-b", 99)
    resumed, history = train(config, model, folder=tmp_path, resume=True)
    assert one_network(uninterrupted, resumed) and history[-1]["step"] == 12
    with pytest.raises(KeyboardInterrupt, match="nothing is saved"):
        train(config, evaluate=press)


def test_a_second_ctrl_c_stops_at_once(train, tmp_path):
    def press(model, step):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as stopped:
        train(replace(CONFIG, evaluate_every=1), folder=tmp_path, evaluate=press)
    assert not str(stopped.value) and not names(tmp_path)


def test_resume_in_an_empty_folder_starts_afresh(train, uninterrupted, one_network, tmp_path):
    assert one_network(uninterrupted, train(folder=tmp_path, resume=True)[0])


def test_best_checkpoint_is_the_one_with_the_best_value(train, tmp_path):
    values = {4: 0.1, 8: 0.9, 12: 0.3}
    config = replace(CONFIG, evaluate_every=4, best="score", keep=1)
    _, history = train(config, folder=tmp_path, evaluate=lambda m, step: {"score": values[step]})
    assert load_checkpoint(tmp_path / "best.pt")["step"] == 8
    assert [entry["score"] for entry in history if "score" in entry] == [0.1, 0.9, 0.3]
    assert names(tmp_path) == ["step-00000012.pt"]


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
    # A target whose strangers are close: what is left of 1 - cosine counts as much.
    config = replace(CONFIG, template_weight=0.25)
    crowded = Objective(config, torch.device("cpu"), recogniser, spread=0.1)
    difference = crowded(made, picture, template, 0) - pixel
    assert torch.isclose(difference, 10 * added[0], rtol=1e-4)


def test_the_training_takes_the_spread_from_its_templates(monkeypatch):
    seen = []

    def objective(config, device, recogniser, spread):
        seen.append(spread)
        return Objective(config, device, recogniser, spread)

    monkeypatch.setattr("nbnet_lib.attack.train.Objective", objective)
    templates = F.normalize(torch.randn(8, 16) + torch.tensor([9.0] + [0.0] * 15), dim=1)
    images = np.zeros((8, 40, 40, 3), np.uint8)
    decoder = create_decoder("nbnet-b", 16, 40, base_channels=64)
    config = replace(CONFIG, steps=1)
    train_decoder(decoder, images, templates, config, identities=None, progress=False)
    assert len(seen) == 1 and 0.05 < seen[0] < 0.5


def test_evaluation_sees_evaluation_mode_and_does_not_disturb(train, uninterrupted, one_network):
    def look(model, step):
        assert not model.training
        model(torch.randn(2, 16))

    assert one_network(uninterrupted, train(replace(CONFIG, evaluate_every=1), evaluate=look)[0])


def test_nan_loss_stops_and_names_the_last_good_checkpoint(train, make_decoder, tmp_path):
    model = make_decoder("nbnet-b")

    def poison(module, step):
        if step == 6:
            with torch.no_grad():
                model.head.weight.fill_(float("nan"))

    config = replace(CONFIG, evaluate_every=1, ema_decay=None)
    with pytest.raises(NbnetError, match=r"NaN.*step \d+; .*step-00000004\.pt"):
        train(config, model, folder=tmp_path, evaluate=poison)
    for value in load_checkpoint(tmp_path)["parts"]["network"].values():
        assert torch.isfinite(value.float()).all()


def test_weights_that_burst_are_noticed_before_they_are_saved(train, make_decoder, tmp_path):
    """A finite loss with a slope of NaN: the loss itself would show it one update later."""

    def bursting():
        model = make_decoder("nbnet-b")
        model.head.weight.register_hook(lambda slope: slope * float("nan"))
        return model

    config = replace(CONFIG, steps=2, schedule="constant", checkpoint_every=1)
    with pytest.raises(NbnetError, match=r"step 1; .*none was"):
        train(config, bursting(), folder=tmp_path)
    assert not names(tmp_path)
    train(config, folder=tmp_path)
    with pytest.raises(NbnetError, match=r"last good checkpoint: .*step-00000002\.pt"):
        train(replace(config, steps=4), bursting(), folder=tmp_path, resume=True)


def test_bf16_trains_to_about_the_same_loss(train):
    config = replace(CONFIG, ema_decay=None)
    (*_, full), (*_, half) = train(config)[1], train(replace(config, precision="bf16"))[1]
    assert half["loss"] == pytest.approx(full["loss"], rel=0.2)


def test_a_checkpoint_of_other_settings_data_or_decoder_is_refused(
    train, pairs, make_decoder, tmp_path
):
    train(folder=tmp_path)
    with pytest.raises(NbnetError, match="lr: 0.002 then, 0.1 now"):
        train(replace(CONFIG, lr=0.1), folder=tmp_path, resume=True)
    other, options = F.normalize(torch.randn(40, 16), dim=1), {"identities": None, "device": "cpu"}
    with pytest.raises(NbnetError, match="other training data"):
        train_decoder(
            make_decoder("nbnet-b"),
            pairs[0],
            other,
            CONFIG,
            folder=tmp_path,
            resume=True,
            **options,
        )
    for path in list_checkpoints(tmp_path):
        old = load_checkpoint(path)
        torch.save({**old, "data": old["data"][:16]}, tmp_path / "old.pt")
    with pytest.raises(NbnetError, match="earlier version"):
        train(folder=tmp_path, resume=tmp_path / "old.pt")
    with pytest.raises(NbnetError, match="another network"):
        train(model=make_decoder("nbnet-a"), folder=tmp_path, resume=True)
    with pytest.raises(NbnetError, match="needs the folder"):
        train(resume=True)


def test_numbers_of_numpy_and_torch_do_not_spoil_checkpoints(train, tmp_path):
    """A checkpoint is read back as data only, and those types are classes."""
    values = {"score": np.float64(0.5), "other": torch.tensor(3.0), "count": np.int64(2)}
    numpy = {"lr": np.float64(1e-3), "steps": np.int64(2), "betas": (np.float32(0.5), 0.999)}
    config = replace(CONFIG, **numpy, ema_decay=np.float32(0.5), evaluate_every=1, log_every=1)
    options = {
        "folder": tmp_path,
        "evaluate": lambda model, step: values,
        "callbacks": [lambda entry: entry.update(mine=np.float64(1))],
    }
    _, history = train(replace(config, best="score"), **options)
    state = load_checkpoint(tmp_path)
    assert state["history"] == history and {"score": 0.5, "count": 2}.items() <= history[-1].items()
    assert train(replace(config, best="score"), **options, resume=True)[1] == history


@pytest.mark.parametrize("wrong", [{"score": "high"}, {"score": torch.zeros(2)}, [0.5]])
def test_an_evaluation_that_returns_no_numbers_is_named(train, wrong):
    with pytest.raises(NbnetError, match="evaluate=.*dict of numbers"):
        train(replace(CONFIG, steps=1), evaluate=lambda model, step: wrong)


def test_a_whole_checkpoint_is_not_called_broken(train, tmp_path):
    train(replace(CONFIG, steps=2), folder=tmp_path)
    state, path = load_checkpoint(tmp_path), tmp_path / "step-00000002.pt"
    torch.save({**state, "history": [{"score": np.float64(0.5)}]}, path)
    with pytest.raises(NbnetError, match=r"is whole.*scalar.*weights_only=False"):
        load_checkpoint(path)
    # The advice.
    state = torch.load(path, weights_only=False)
    state["history"] = [{"score": float(e["score"])} for e in state["history"]]
    torch.save(state, path)
    assert load_checkpoint(path)["history"] == [{"score": 0.5}]


def test_without_a_damaged_checkpoint_the_one_before_is_resumed(train, tmp_path):
    train(folder=tmp_path)
    older, newest = list_checkpoints(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-1000])
    with pytest.raises(NbnetError, match="move it to another folder"):
        train(folder=tmp_path, resume=True)
    (tmp_path / "aside").mkdir()
    newest.rename(tmp_path / "aside" / newest.name)
    seen = []
    train(folder=tmp_path, resume=True, callbacks=[lambda entry: seen.append(entry["step"])])
    assert older.name == "step-00000008.pt" and seen == [9, 12]


def test_damaged_or_foreign_checkpoints(tmp_path):
    path = tmp_path / "step-00000004.pt"
    # The second would run a program.
    for content in (b"PK\x03\x04half a file", b"cos\nsystem\n(S'true'\ntR.", b"hello", b""):
        path.write_bytes(content)
        with pytest.raises(NbnetError, match="not a readable checkpoint"):
            load_checkpoint(path)
    torch.save({"step": 4, "decoder": {}}, path)
    with pytest.raises(NbnetError, match="this version"):
        load_checkpoint(tmp_path)
    with pytest.raises(NbnetError, match=r"no checkpoint at .*none\.pt"):
        load_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize(
    ("key_word", "change"),
    [
        ("give uint8", lambda x, t: (x.astype(np.float32), t)),
        (r"\[N, S, S, 3\]", lambda x, t: (x[:, :30], t)),
        ("image_size 40 .* 20", lambda x, t: (x[:, ::2, ::2], t)),
        ("template_dim 16 .* 8", lambda x, t: (x, t[:, :8])),
        (r"\(39, 16\)", lambda x, t: (x, t[:-1])),
        (r"\(0, 16\)", lambda x, t: (x[:0], t[:0])),
        (r"\(40, 16\)", lambda x, t: (x[:0], t)),
        ("row 5 holds NaN", lambda x, t: (x, torch.where(t == t[5, 2], torch.nan, t))),
        ("one per image", lambda x, t: (x, t, [10_000])),
        ("identity 9999 is kept for evaluation", lambda x, t: (x, t, [9_999] + [10_000] * 39)),
    ],
)
def test_bad_training_data(pairs, make_decoder, key_word, change):
    images, templates, *identities = change(*pairs)
    with pytest.raises(NbnetError, match=key_word):
        train_decoder(
            make_decoder("dcnn"), images, templates, CONFIG, identities=(*identities, None)[0]
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"lr": 0.0},
        {"schedule": "steep"},
        {"ema_decay": 1.0},
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


def test_images_may_be_a_memory_map(pairs, tmp_path):
    images, templates = pairs
    mapped = np.lib.format.open_memmap(tmp_path / "i.npy", "w+", np.uint8, images.shape)
    mapped[:] = images
    batch, rows = Pairs(mapped, templates, None).batch(np.array([3, 1]))
    torch.testing.assert_close(batch[0, :, 0, 0], torch.from_numpy(images[3, 0, 0]) / 127.5 - 1)
    assert torch.equal(rows, templates[[3, 1]])


def test_one_exchanged_template_or_picture_is_other_data(pairs):
    images, templates = pairs
    before = fingerprint(images, templates)
    assert before == fingerprint(images.copy(), templates.clone())
    other = templates.clone()
    other[32, 3] += 1e-6
    assert before != fingerprint(images, other) != fingerprint(images[::-1], other)
    many = np.zeros((1001, 4, 4, 3), np.uint8)
    before = fingerprint(many)
    assert before == fingerprint(Pictures([many[:300], many[300:]]))
    for row in (1, 999, 1000):  # not only some of a large set
        changed = many.copy()
        changed[row, 3, 3, 2] = 1
        assert fingerprint(changed) != before


def test_pictures_in_several_arrays_are_one_set():
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    several = Pictures([images[:2], images[2:5], images[5:]])
    for whole, chosen in (
        (images, several),
        (images[:4], Pictures([several], np.arange(4))),
        (images[[3, 3, 0, 8]], Pictures([images[:4], images[4:]], np.array([3, 3, 0, 8]))),
    ):
        assert (chosen.shape, chosen.dtype, len(chosen)) == (whole.shape, np.uint8, len(whole))
        for which in (slice(None), slice(1, 3), np.array([3, 0]), np.array([], int), 2, -1):
            assert np.array_equal(chosen[which], whole[which])
        assert np.array_equal(np.asarray(chosen), whole)
        for outside in (9, np.array([0, 9])):
            with pytest.raises(IndexError):
                chosen[outside]
