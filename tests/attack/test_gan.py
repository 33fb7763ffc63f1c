"""The face generator's training: what it minimises, what it repeats, what it refuses, resuming."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from nbnet_lib.attack import gan
from nbnet_lib.attack.checkpoint import list_checkpoints
from nbnet_lib.attack.gan import GeneratorConfig, sample_faces, train_generator, variety
from nbnet_lib.attack.gan_faces import draw_faces, share_nearer, slerp
from nbnet_lib.decoders import create_decoder, load_decoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set
from nbnet_lib.faces.framing import FRAMINGS

CONFIG = GeneratorConfig(
    steps=6, batch_size=4, base_channels=16, noise_dim=16, log_every=2, save_every=2, keep=2
)


def pictures(n=24, size=40):
    """Discs of all colours on grounds of all colours."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - size / 2
    inside = (x**2 + y**2 < (size / 3) ** 2)[None, :, :, None]
    colours = rng.integers(0, 256, (2, n, 1, 1, 3))
    return np.where(inside, colours[0], colours[1]).astype(np.uint8)


def train(config=CONFIG, **options):
    options = {"identities": None, "device": "cpu", "progress": False, **options}
    return train_generator(pictures(), config, **options)


@pytest.fixture(scope="module")
def uninterrupted():
    return train()


def test_one_update_is_that_of_the_paper(monkeypatch):
    """Against the same update written out by hand, loss by loss and Adam by Adam."""
    config = replace(CONFIG, steps=1)
    generator, discriminator = gan._networks(40, config)
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    chance = np.random.default_rng([0, 0, 8])
    z, fake, real, aim = map(torch.from_numpy, gan._noise_and_labels(chance, 4, 16))
    assert ((fake >= 0) & (fake <= 0.3)).all() and ((real >= 0.7) & (real <= 1.2)).all()
    assert ((aim >= 0.7) & (aim <= 1.2)).all() and not torch.equal(real, aim)
    rows = gan.batch_rows(24, 4, 0, 0)
    batch = gan.to_tensor(pictures()[rows])
    adam_d = torch.optim.Adam(discriminator.parameters(), 5e-5, (0.5, 0.999))
    adam_g = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))

    def entropy(logit, label):
        return (torch.nn.functional.softplus(logit) - label * logit).mean()

    made = generator(z)
    loss_d = entropy(discriminator(batch), real) + entropy(discriminator(made.detach()), fake)
    loss_d.backward()
    adam_d.step()
    loss_g = entropy(discriminator(made), aim)
    adam_g.zero_grad()
    loss_g.backward()
    adam_g.step()

    result = train(config)
    entry = result.history[0]
    assert entry["loss_discriminator"] == pytest.approx(float(loss_d.detach()), rel=1e-5)
    assert entry["loss_generator"] == pytest.approx(float(loss_g.detach()), rel=1e-5)
    for name, value in result.state_dict().items():
        torch.testing.assert_close(value, generator.state_dict()[name], rtol=1e-4, atol=1e-7)
        assert not torch.equal(value, before[name])


def test_the_discriminator_learns(uninterrupted):
    config = replace(CONFIG, steps=60, lr_discriminator=2e-3, lr_generator=1e-6, log_every=20)
    history = train(config).history
    assert [entry["step"] for entry in history] == [20, 40, 60]
    assert set(history[0]) == {
        *("step", "loss_generator", "loss_discriminator", "real", "fake", "variety"),
        *("images_per_second", "seconds"),
    }
    assert history[-1]["loss_discriminator"] < history[0]["loss_discriminator"]
    assert history[-1]["real"] > 0.7
    # A generator that hardly moves draws grey, which is 0: without biases nobody can judge it.
    assert history[-1]["fake"] == pytest.approx(0.5, abs=0.02)
    assert 0 < history[-1]["variety"] < 0.2  # and the history shows that all are alike


def test_the_generator_learns_what_the_discriminator_asks_for():
    """Pictures of one colour: the drawings move towards it."""
    red = np.zeros((16, 40, 40, 3), np.uint8)
    red[..., 0] = 255
    red[::2] //= 2
    config = replace(
        CONFIG, steps=150, base_channels=32, lr_generator=2e-3, lr_discriminator=5e-4, log_every=50
    )
    generator = train_generator(red, config, identities=None, device="cpu", progress=False)
    colours = sample_faces(generator, 16).mean((0, 1, 2))
    assert colours[0] > colours[1] + 60 and colours[0] > colours[2] + 60


def test_same_seed_same_generator(uninterrupted, one_network):
    state = torch.get_rng_state()
    again = train()
    assert torch.equal(torch.get_rng_state(), state)  # nothing global was drawn or left changed
    assert one_network(uninterrupted, again)
    assert not one_network(uninterrupted, train(replace(CONFIG, seed=1)))
    assert not uninterrupted.training and uninterrupted.framing == FRAMINGS["synthfaces"]


def test_a_stopped_run_resumes_bit_identical(uninterrupted, one_network, tmp_path):
    def press(generator, step):
        assert not generator.training
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    config = replace(CONFIG, watch_every=1)
    with pytest.raises(KeyboardInterrupt, match=r"step 4, saved .*step-00000004\.pt.*--resume"):
        train(config, folder=tmp_path, watch=press)
    resumed = train(folder=tmp_path, resume=True)
    assert one_network(uninterrupted, resumed)
    assert [entry["step"] for entry in resumed.history][-1] == 6
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000004.pt", "step-00000006.pt"]


def test_a_run_may_be_prolonged_but_not_changed(uninterrupted, one_network, tmp_path):
    train(replace(CONFIG, steps=4), folder=tmp_path)
    with pytest.raises(NbnetError, match="lr_generator: 0.0002 then, 0.1 now"):
        train(replace(CONFIG, lr_generator=0.1), folder=tmp_path, resume=True)
    options = {"identities": None, "folder": tmp_path, "resume": True, "device": "cpu"}
    with pytest.raises(NbnetError, match="other training data"):
        train_generator(pictures()[::-1], CONFIG, **options)
    assert one_network(uninterrupted, train(folder=tmp_path, resume=True))


def test_bad_pictures_and_settings():
    def attempt(key_word, images, identities=None):
        with pytest.raises(NbnetError, match=key_word):
            train_generator(images, CONFIG, identities=identities, progress=False)

    good = pictures()
    attempt("give uint8", good.astype(np.float32))
    attempt("at least 2", good[:1])
    attempt("image_size=20", good[:, ::2, ::2])
    attempt("identity 9999 is kept for evaluation", good, [9_999] + [10_000] * 23)
    for wrong in ({"steps": 0}, {"lr_discriminator": 1e39}, {"ema_decay": 1.5}):
        with pytest.raises(NbnetError, match=next(iter(wrong))):
            GeneratorConfig(**wrong)


def test_drawn_faces_follow_from_seed_and_number_alone():
    torch.manual_seed(0)
    generator = create_decoder("dcgan-generator", 16, 40, base_channels=16)
    generator.train()
    faces = sample_faces(generator, 10, seed=3)
    assert generator.training
    assert faces.shape == (10, 40, 40, 3) and faces.dtype == np.uint8
    assert np.abs(sample_faces(generator, 4, seed=3).astype(int) - faces[:4]).max() <= 1
    parts = list(draw_faces(generator, 10, seed=3, batch_size=3))
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert np.abs(np.concatenate(parts).astype(int) - faces).max() <= 1  # rounding of sums
    rest = np.concatenate(list(draw_faces(generator, 10, seed=3, first=6)))
    assert np.abs(rest.astype(int) - faces[6:]).max() <= 1
    assert np.array_equal(sample_faces(generator, 10, seed=3), faces)
    generator.head.weight.data *= 1e6  # so that noise shows: fresh weights draw grey
    assert not np.array_equal(sample_faces(generator, 10, seed=3), sample_faces(generator, 10))


def test_what_cannot_draw():
    with pytest.raises(NbnetError, match="by a dcgan-generator, not by a dcnn"):
        sample_faces(create_decoder("dcnn", 16, 40, base_channels=16), 2)
    generator = create_decoder("dcgan-generator", 16, 40, base_channels=16)
    generator.head.weight.data.fill_(float("nan"))
    with pytest.raises(NbnetError, match="NaN"):
        sample_faces(generator, 2)


def test_variety_tells_collapse_from_health():
    faces = pictures(40)
    assert variety(faces[:20], faces[20:]) == pytest.approx(1, abs=0.25)
    one = np.repeat(faces[:1], 20, 0)
    assert variety(one, faces) < 1e-3
    # Noise, different in every drawing of one face, is no variety.
    noise = np.random.default_rng(0).integers(-60, 60, one.shape)
    assert variety((one + noise).clip(0, 255).astype(np.uint8), faces) < 0.2


def test_the_average_is_delivered_and_resumes(tmp_path, one_network):
    config = replace(CONFIG, ema_decay=0.5)
    plain, averaged = train(), train(config)
    assert not one_network(plain, averaged)
    # The average takes no part in the training: the losses are those of the run without it.
    for key in ("loss_generator", "loss_discriminator"):
        assert [e[key] for e in averaged.history] == [e[key] for e in plain.history]
    train(replace(config, steps=4), folder=tmp_path)
    assert one_network(train(config, folder=tmp_path, resume=True), averaged)
    with pytest.raises(NbnetError, match="ema_decay: 0.5 then, None now"):
        train(folder=tmp_path, resume=True)


def test_the_shipped_generator_draws_various_faces():
    generator = load_decoder("dcgan-40")
    assert generator.name == "dcgan-40" and generator.card["config"]["ema_decay"] == 0.999
    assert "--ema 0.999 --steps 4145" in generator.card["command"]
    drawn = sample_faces(generator, 32)
    assert drawn.shape == (32, 40, 40, 3)
    faces = render_set(range(10_000, 10_020), samples=1, size=40).images
    assert variety(drawn, faces) > 0.6
    # A face is bright in the middle, on most grounds, and alike on both sides.
    middle, mirrored = drawn.mean(0), drawn.mean(0)[:, ::-1]
    assert np.abs(middle - mirrored).mean() < 12 and middle[15:30, 14:26].std() > 5


def test_slerp_keeps_the_length_and_the_pace():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 100))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    way = [slerp(a, b, t) for t in np.linspace(0, 1, 5)]
    np.testing.assert_allclose([way[0], way[-1]], [a, b], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), np.linalg.norm(a))
    angles = [np.arccos(x @ y / (a @ a)) for x, y in zip(way, way[1:], strict=False)]
    np.testing.assert_allclose(angles, angles[0])
    np.testing.assert_allclose(slerp(a, a, 0.5), a)


def test_a_copier_is_told_from_one_that_does_not_remember():
    draw = torch.Generator().manual_seed(0)
    training, held_out, others = torch.randn(3, 200, 8, generator=draw)
    assert share_nearer(training + 0.01, training, held_out) == 1
    assert 0.4 < share_nearer(others, training, held_out) < 0.6
    with pytest.raises(NbnetError, match="equal numbers"):
        share_nearer(others, training, held_out[:100])
