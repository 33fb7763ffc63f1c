"""What the loop can do beyond the paper's: accumulation, noise, early stop, white box, logs."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nbnet_lib.attack import TrainConfig, train_decoder
from nbnet_lib.attack.checkpoint import list_checkpoints, load_checkpoint
from nbnet_lib.attack.data import noisy_templates
from nbnet_lib.attack.heldout import TemplateCosine, first_held_out
from nbnet_lib.attack.monitor import tensorboard_callback
from nbnet_lib.attack.precision import best_precision, computing_in
from nbnet_lib.attack.recipes import RECIPES, describe_recipes, find_recipe
from nbnet_lib.attack.white_box import white_box_of
from nbnet_lib.decoders import create_decoder
from nbnet_lib.encoders import Encoder, create_encoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import FRAMINGS

CONFIG = TrainConfig(steps=4, batch_size=8, lr=1e-3, schedule="constant", log_every=1)


@pytest.fixture(scope="module")
def train(pairs, make_decoder):
    """Train a small D-CNN, or the model given, on 24 pairs; return its state and the history."""

    def run(config=CONFIG, model=None, **options):
        model = model or make_decoder("dcnn")
        options = {"identities": None, "progress": False, "device": "cpu", **options}
        history = train_decoder(model, *(part[:24] for part in pairs), config, **options)
        return model.state_dict(), history

    return run


def test_accumulation_is_the_large_batch(train):
    whole, history = train()
    for parts in (3, 8):  # also into parts of different sizes
        state, again = train(replace(CONFIG, accumulate=parts))
        for name, value in whole.items():
            torch.testing.assert_close(state[name], value, atol=1e-5, rtol=0)
        assert [e["loss"] for e in again] == pytest.approx([e["loss"] for e in history], rel=1e-5)
    config = replace(CONFIG, batch_size=64, accumulate=30)  # there are 24 pairs in all
    with pytest.raises(NbnetError, match="accumulate=30"):
        train(config)


def test_accumulation_with_batch_norm_sees_the_parts(train, make_decoder):
    """It is another training, as `TrainConfig` says; the statistics move once for every part."""
    whole, _ = train(model=make_decoder("nbnet-b"))
    parts, _ = train(replace(CONFIG, accumulate=2), make_decoder("nbnet-b"))
    counted = [k for k in whole if k.endswith("num_batches_tracked")]
    assert counted and all(int(parts[k]) == 2 * int(whole[k]) == 8 for k in counted)
    assert max(float((parts[k].float() - whole[k].float()).abs().max()) for k in whole) > 1e-4


def test_noise_is_a_function_of_seed_and_step():
    templates = nn.functional.normalize(torch.randn(200, 128), dim=1)
    noisy = noisy_templates(templates, 0.5, step=3, seed=1)
    assert torch.equal(noisy, noisy_templates(templates, 0.5, step=3, seed=1))
    assert not torch.equal(noisy, noisy_templates(templates, 0.5, step=4, seed=1))
    assert not torch.equal(noisy, noisy_templates(templates, 0.5, step=3, seed=2))
    torch.testing.assert_close(noisy.norm(dim=1), torch.ones(200))
    assert float((noisy * templates).sum(1).mean()) == pytest.approx(1 / 1.25**0.5, abs=0.01)
    assert noisy_templates(templates, 0.0, step=3, seed=1) is templates


def test_noise_reaches_the_decoder_but_not_its_losses(train, make_decoder):
    seen = []
    for noise in (0.0, 0.5):
        model = make_decoder("dcnn")
        model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
        train(replace(CONFIG, steps=1, template_noise=noise), model)
    assert torch.equal(noisy_templates(seen[0], 0.5, step=0, seed=0), seen[1])


def test_early_stop_and_the_best_weights(train, one_network, tmp_path):
    values = {1: 0.1, 2: 0.8, 3: 0.5, 4: 0.7, 5: 0.2}
    config = replace(
        CONFIG, steps=9, evaluate_every=1, checkpoint_every=0, best="score", patience=3
    )

    def look(model, step):
        return {"score": values[step]}

    last, history = train(config, folder=tmp_path / "a", evaluate=look)
    assert [entry["step"] for entry in history] == [1, 2, 3, 4, 5]
    assert load_checkpoint(tmp_path / "a" / "best.pt")["step"] == 2
    assert [p.name for p in list_checkpoints(tmp_path / "a")] == ["step-00000005.pt"]
    chosen = {"folder": tmp_path / "b", "evaluate": look}
    best, _ = train(replace(config, deliver="best"), **chosen)
    assert one_network(best, load_checkpoint(tmp_path / "b" / "best.pt")["parts"]["network"])
    assert one_network(best, train(replace(CONFIG, steps=2))[0]) and not one_network(best, last)
    # It had stopped by itself: there is nothing to continue, and the answer is the same.
    again, history = train(replace(config, deliver="best"), **chosen, resume=True)
    assert one_network(again, best) and history[-1]["step"] == 5
    # A best of another kind is not compared with it.
    other = replace(config, best="other", deliver="best", steps=6)
    chosen["evaluate"] = lambda model, step: {"other": -9.0}
    newest, _ = train(other, **chosen, resume=True)
    assert load_checkpoint(tmp_path / "b" / "best.pt")["step"] == 6
    assert not one_network(newest, best)
    # Without patience it may continue.
    values |= {step: 0.0 for step in range(6, 10)}
    config = replace(config, patience=0)
    _, history = train(config, folder=tmp_path / "a", evaluate=look, resume=True)
    assert history[-1]["step"] == 9


def test_parts_that_do_not_fit(train, make_decoder):
    def attempt(key_word, config=CONFIG, **options):
        with pytest.raises(NbnetError, match=key_word):
            train(config, **options)

    attempt("best='score'", replace(CONFIG, best="score"))
    chosen = replace(CONFIG, best="score", deliver="best", evaluate_every=1)
    attempt("needs a folder", chosen, evaluate=lambda model, step: {"score": 0})
    attempt("template_weight=0.0 with a recogniser", recogniser=white_box_of(encoder(), None))
    weighted = replace(CONFIG, template_weight=1.0)
    attempt("template_weight=1.0 with no recogniser", weighted)
    attempt("linear", model=create_decoder("linear", 16, 40))
    with pytest.raises(AttributeError):  # the target itself is no network to differentiate through
        train(weighted, recogniser=encoder())
    with pytest.raises(TypeError, match="surrogate"):  # an option that does not exist
        train(surrogate=nn.Identity())


class Target(nn.Module):
    """A small network that remembers whether a gradient came by."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3 * 40 * 40, 16)
        self.came_by = 0

    def forward(self, images):
        images = images + 0
        if images.requires_grad:
            images.register_hook(self.note)
        return self.layer(images.flatten(1))

    def note(self, gradient):
        self.came_by += 1


class _Detached(Target):
    def forward(self, images):
        return super().forward(images.detach())


class _Numpy(Target):
    def forward(self, images):
        return super().forward(torch.from_numpy(images.numpy()))


def encoder(network=None):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Encoder("own", network or Target(), 40, 16, {})


def test_white_box_follows_the_target(train, pairs, one_network, tmp_path):
    target = encoder()
    network = target.network
    before = {k: v.clone() for k, v in network.state_dict().items()}
    config = replace(CONFIG, steps=40, template_weight=10.0)
    cosine = TemplateCosine(target, pairs[1][:24], FRAMINGS["synthfaces"])
    opened = white_box_of(target, FRAMINGS["synthfaces"])
    network.came_by = 0
    _, history = train(config, recogniser=opened, evaluate=cosine, folder=tmp_path / "run")
    _, without = train(replace(config, template_weight=0.0), evaluate=cosine)
    assert history[-1]["cosine"] > without[-1]["cosine"] + 0.2
    assert network.came_by >= 40
    # The target itself is as it was, and in no graph.
    assert one_network(before, network.state_dict())
    assert all(not p.requires_grad and p.grad is None for p in network.parameters())
    with pytest.raises(NbnetError, match="white_box: True then, False now"):
        train(config, recogniser=Target(), folder=tmp_path / "run", resume=True)


def test_without_white_box_no_gradient_passes_the_target(train, pairs):
    target, surrogate = encoder(), Target()
    cosine = TemplateCosine(target, pairs[1], FRAMINGS["synthfaces"])
    config = replace(CONFIG, template_weight=1.0, evaluate_every=1)
    train(config, recogniser=surrogate, evaluate=cosine)
    assert surrogate.came_by > 0 and target.network.came_by == 0


def test_white_box_brings_pictures_to_the_target_as_the_black_box_does():
    """Another size and another framing: the same templates, this time with a gradient."""
    target = create_encoder("synth")
    images = torch.rand(3, 3, 80, 80, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for framing in (None, FRAMINGS["dlib"]):
        pixels = images.clone().requires_grad_(True)
        templates = white_box_of(target, framing)(pixels)
        torch.testing.assert_close(
            templates.detach(), target.embed(images, framing=framing), atol=1e-5, rtol=0
        )
        templates[:, 0].sum().backward()
        assert float(pixels.grad.abs().sum()) > 0


def test_white_box_is_refused_where_no_gradient_comes_out():
    def function(images):
        return images.flatten(1)[:, :16]

    for closed in (
        create_encoder(function, image_size=40, template_dim=16),
        encoder(_Detached()),
        encoder(_Numpy()),
    ):
        with pytest.raises(NbnetError, match="no gradient"):
            white_box_of(closed, None)


def test_a_missing_tensorboard_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(NbnetError, match="pip install tensorboard"):
        tensorboard_callback(tmp_path / "logs")


def test_tensorboard_gets_the_history(train, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    _, history = train(callbacks=[tensorboard_callback(tmp_path / "logs")])
    events = accumulator.EventAccumulator(str(tmp_path / "logs")).Reload()
    logged = events.Scalars("loss")
    assert [event.step for event in logged] == [1, 2, 3, 4]
    assert [event.value for event in logged] == pytest.approx([e["loss"] for e in history])


def test_the_bar_shows_speed_loss_and_time_left(train, capfd):
    train(replace(CONFIG, steps=6), progress=True, evaluate=lambda model, step: {"score": 0.5})
    said = capfd.readouterr().err
    assert "images/s" in said and "loss 0." in said and "6/6 [00:0" in said and "<00:" in said
    assert "step 6: loss" in said and "score 0.5" in said


def test_precision_leaves_nothing_behind(train, one_network):
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    for name, allowed in (("no", False), ("tf32", True), ("bf16", True)):
        with computing_in(name, torch.device("cpu")) as autocast:
            assert (products.allow_tf32, convolutions.allow_tf32) == (allowed, allowed)
            with autocast:
                made = torch.ones(2, 2) @ torch.ones(2, 2)
            assert made.dtype == (torch.bfloat16 if name == "bf16" else torch.float32)
    assert (products.allow_tf32, convolutions.allow_tf32) == before
    assert best_precision("cpu", "nbnet-b") == "no"  # its own kernels
    assert best_precision("cpu", "dcnn") in ("no", "bf16")
    assert one_network(train(replace(CONFIG, precision="tf32"))[0], train()[0])  # on a CPU


def test_recipes():
    assert list(RECIPES) == ["quick", "laptop", "strong", "gpu", "paper"]
    for name, recipe in RECIPES.items():
        assert f"{name}: {recipe.what}" in describe_recipes()
        assert len(recipe.configs("cpu", seed=5)) == len(recipe.stages)
    pixel, perceptual = find_recipe("paper").configs()
    paper = TrainConfig(evaluate_every=1000)  # the defaults are the paper's
    assert pixel == paper
    assert perceptual == replace(paper, loss="perceptual-vgg19", steps=100_000)
    (laptop,) = find_recipe("laptop").configs("cpu", steps=7)
    assert (laptop.steps, laptop.lr, laptop.schedule) == (7, 2e-3, "onecycle")
    (strong,) = find_recipe("strong").configs("cpu")
    assert strong.template_weight > 0 and strong.loss == "pixel+0.5*perceptual"
    with pytest.raises(NbnetError, match="'fast'"):
        find_recipe("fast")


def test_whole_people_are_kept_aside():
    identities = np.repeat(np.arange(10_000, 10_300), 3)
    assert first_held_out(900, identities) == 900 - 45
    assert first_held_out(900, identities, 4) == 900 - 6  # nobody is cut in two
    assert first_held_out(9000, None) == 9000 - 128
    assert first_held_out(8, None) == 8 and first_held_out(900, identities, 0) == 900
