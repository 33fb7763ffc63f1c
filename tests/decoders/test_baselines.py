"""Linear and RBF regression: what they learn, what they refuse, files, and the command line."""

import json

import numpy as np
import pytest
import torch

from nbnet_lib.attack import TrainConfig, reconstruct, train_decoder
from nbnet_lib.decoders import create_decoder, fit_decoder, load_decoder, regression, save_decoder
from nbnet_lib.errors import NbnetError

DIM, SIZE = 16, 40


def pairs(n=360, people=60, curved=False, seed=0):
    """Pictures that are a known function of unit templates, with the identity of each."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(people, DIM))
    identities = np.arange(n) // (n // people)
    templates = centres[identities] + 0.5 * draw.normal(size=(n, DIM))
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    basis = np.random.default_rng(99).normal(size=(DIM, 3, 5, 5)).repeat(8, 2).repeat(8, 3)
    codes = templates * 4
    if curved:
        codes = codes**2 - 1
    pixels = np.tensordot(codes, basis, 1) * 25 + 127.5 + draw.normal(size=(n, 3, SIZE, SIZE))
    images = pixels.clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return templates.astype(np.float32), images, identities + 10_000


def fitted(name="linear", data=None, **options):
    options = {"components": 20, **({"centres": 150} if name == "rbf" else {}), **options}
    decoder = create_decoder(name, DIM, SIZE, **options)
    templates, images, identities = data or pairs()
    card = fit_decoder(decoder, images, templates, identities, progress=False)
    return decoder, card


def error(decoder, data):
    """Mean squared error over that of the mean picture."""
    templates, images, _ = data
    target = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    drawn = reconstruct(decoder, templates)
    return float((drawn - target).square().mean() / (target - target.mean(0)).square().mean())


@pytest.fixture(scope="module")
def both():
    return {name: fitted(name)[0] for name in ("linear", "rbf")}


@pytest.mark.parametrize("name", ["linear", "rbf"])
def test_draws_people_that_it_never_saw(both, name):
    decoder = both[name]
    images = decoder(torch.from_numpy(pairs(seed=1)[0][:5]))
    assert images.shape == (5, 3, SIZE, SIZE) and images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert error(decoder, pairs(seed=1)) < 0.06


def test_rbf_bends_where_linear_cannot():
    data = pairs(900, 150, curved=True)
    errors = {name: error(fitted(name, data)[0], pairs(curved=True, seed=1)) for name in NAMES}
    assert errors["rbf"] < 0.8 * errors["linear"]


NAMES = ("linear", "rbf")


@pytest.mark.parametrize(("components", "most"), [(None, 1e-4), (20, 0.06)])
def test_linear_is_the_regression_of_pixels(components, most):
    """Exactly, or by way of principal components nearly, what ridge regression on pixels gives."""
    from sklearn.linear_model import Ridge

    templates, images, _ = pairs()
    flat = images.transpose(0, 3, 1, 2).reshape(len(images), -1) / 127.5 - 1
    decoder, card = fitted(components=components)
    halves = templates.astype(np.float16).astype(float)  # files hold centres so
    direct = Ridge(alpha=card["alpha"]).fit(halves, flat)
    expected = direct.predict(pairs(seed=1)[0]).clip(-1, 1)
    found = reconstruct(decoder, pairs(seed=1)[0]).flatten(1).numpy()
    assert np.abs(found - expected).max() < most


def test_linear_loses_no_pixel_to_the_components(tmp_path):
    """A pattern that few pictures vary in is not among 20 components, but in the regression."""
    templates, images, people = pairs()
    images = images.copy()
    images[:, 0, 0] = (templates[:, :3] * 60 + 128).astype(np.uint8)
    test_t, test_i, _ = pairs(seed=1)
    test_i = (test_t[:, :3] * 60 + 128).astype(np.uint8)
    exact = fitted(data=(templates, images, people), components=None)[0]
    assert exact.architecture["options"] == {} and exact.basis.shape == (DIM, 3 * SIZE**2)
    again = load_decoder(save_decoder(exact, tmp_path / "l.safetensors"))
    corner = reconstruct(again, test_t)[:, :, 0, 0].numpy() * 127.5 + 127.5
    assert np.abs(corner - test_i).max() < 2


def test_rbf_is_nystroem_and_ridge(both):
    """Folding scikit-learn's feature map into the weights changes nothing."""
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    decoder, card = fitted("rbf")
    assert card["centres"] == len(decoder.centres) == 150
    templates, images, _ = pairs()
    x = torch.from_numpy(templates).half().double().numpy()
    mean, components, _, _ = regression._principal(images, 20, 0)
    codes = (regression._pixels(images) - mean) @ components.T
    model = make_pipeline(
        Nystroem(gamma=card["gamma"], n_components=150, random_state=0), Ridge(card["alpha"])
    ).fit(x, codes)
    expected = (model.predict(pairs(seed=1)[0]) @ components + mean).clip(-1, 1)
    found = reconstruct(decoder, pairs(seed=1)[0]).flatten(1).numpy()
    assert np.abs(found - expected).max() < 5e-4


@pytest.mark.parametrize("name", NAMES)
def test_same_data_same_decoder(both, name):
    again = fitted(name)[0].state_dict()
    assert all(torch.equal(v, again[k]) for k, v in both[name].state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_files(both, name, tmp_path):
    decoder = both[name]
    path = save_decoder(decoder, tmp_path / "r.safetensors", {"seed": 0})
    again = load_decoder(path)
    assert again.architecture == decoder.architecture
    assert again.training_method == "fit"
    templates = pairs(seed=1)[0]
    torch.testing.assert_close(
        reconstruct(again, templates), reconstruct(decoder, templates), atol=5e-3, rtol=0
    )
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["architecture"]["options"]["components"] == 20


def test_few_pictures_give_few_components_and_centres(tmp_path):
    decoder, card = fitted("rbf", pairs(24, 6), components=256, centres=2000)
    assert decoder.architecture["options"] == {"components": 23, "centres": 24}
    assert (card["components"], card["centres"]) == (23, 24)
    loaded = load_decoder(save_decoder(decoder, tmp_path / "r.safetensors"))
    assert len(loaded.basis) == 23


def test_settings_are_chosen_on_other_people(monkeypatch):
    seen = []
    people = pairs()[2]
    from sklearn.model_selection import GroupKFold

    split = GroupKFold.split

    def spy(self, x, y, groups):
        for fit_rows, held_rows in split(self, x, y, groups):
            seen.append(set(people[fit_rows]) & set(people[held_rows]))
            yield fit_rows, held_rows

    monkeypatch.setattr(GroupKFold, "split", spy)
    fitted()
    assert len(seen) == regression.FOLDS and not any(seen)


def test_noise_asks_for_more_ridge():
    templates, images, identities = pairs()
    clean = fitted(data=(templates, images, identities))[1]
    noise = np.random.default_rng(3).integers(0, 256, images.shape).astype(np.uint8)
    noisy = fitted(data=(templates, noise, identities))[1]
    assert noisy["alpha"] > clean["alpha"]
    assert clean["predicted_variance"] > 0.9 > 0.1 > noisy["predicted_variance"]


def test_memory_stays_bounded(monkeypatch):
    """The PCA and the choice of settings look at a part; the fit at everything."""
    monkeypatch.setattr(regression, "PCA_BYTES", 4 * 3 * SIZE**2 * 100)
    monkeypatch.setattr(regression, "CHOICE_PICTURES", 120)
    sizes = []
    original = regression._pixels
    monkeypatch.setattr(regression, "_pixels", lambda i: sizes.append(len(i)) or original(i))
    decoder, card = fitted()
    assert max(sizes) <= regression.BATCH and sizes[0] == 100
    assert card["pictures"] == 360
    assert error(decoder, pairs(seed=1)) < 0.08


@pytest.mark.parametrize("people", [3, 4, 1000])
def test_few_people_with_many_pictures_do_not_make_the_choice_longer(people):
    groups = np.arange(50_000) * people // 50_000
    rows = regression._choice_rows(np.append(groups, people))  # and somebody with one picture
    assert 3000 <= len(rows) <= 2 * regression.CHOICE_PICTURES and (np.diff(rows) > 0).all()
    assert len(np.unique(groups[rows[rows < len(groups)]])) >= regression.FOLDS - 1


@pytest.mark.parametrize("name", NAMES)
def test_unfitted_use_is_refused(name, tmp_path):
    decoder = create_decoder(name, DIM, SIZE)
    for use in (
        lambda: reconstruct(decoder, pairs()[0]),
        lambda: save_decoder(decoder, tmp_path / "r.safetensors"),
    ):
        with pytest.raises(NbnetError, match=f"{name}.* was not fitted"):
            use()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_the_training_loop_refuses_them(name):
    templates, images, identities = pairs()
    with pytest.raises(NbnetError, match=f"{name}-40 is not trained step by step"):
        train_decoder(
            create_decoder(name, DIM, SIZE), images, templates, TrainConfig(steps=1),
            identities=identities, device="cpu", progress=False,
        )  # fmt: skip


def test_networks_are_not_fitted():
    templates, images, identities = pairs()
    with pytest.raises(NbnetError, match="dcnn-40 is not fitted in one go: use train_decoder"):
        fit_decoder(create_decoder("dcnn", DIM, SIZE), images, templates, identities)


def change(part, value):
    return lambda data: tuple(value(d) if i == part else d for i, d in enumerate(data))


def with_nan(templates):
    templates = templates.copy()
    templates[7, 2] = np.nan
    return templates


@pytest.mark.parametrize(
    "changed, key_word",
    [
        (change(2, lambda i: i - 10_000), "identity 0 is kept for evaluation"),
        (change(2, lambda i: i[:-1]), "359 identities"),
        (change(2, lambda i: i * 0 + 10_000), "360 images of 1 people are too few"),
        (change(0, lambda t: t[:, :8]), r"\(360, 8\) .*\[360, 16\]"),
        (change(0, lambda t: t[:-2]), r"\(358, 16\)"),
        (change(0, with_nan), "row 7 holds NaN"),
        (change(1, lambda i: i[:, :20]), r"\(360, 20, 40, 3\)"),
        (change(1, lambda i: i[:, :20, :20]), "20 pixels .* 40"),
        (change(1, lambda i: i.astype(np.float32)), "float32"),
        (lambda d: tuple(part[:6] for part in d), "6 images of 1 people are too few"),
        (lambda d: (d[0][:0], d[1][:0], None), r"\(0, 16\)"),
    ],
)
def test_wrong_data(changed, key_word):
    with pytest.raises(NbnetError, match=key_word):
        fitted(data=changed(pairs()))


def test_pictures_that_are_not_synthfaces():
    templates, images, _ = pairs()
    decoder, card = fitted(data=(templates, images, None))
    assert error(decoder, pairs(seed=1)) < 0.06
    assert card["pictures"] == 360


def test_all_pictures_equal():
    """Nothing to predict: the mean picture, not a division by nought."""
    templates, images, identities = pairs()
    images = np.broadcast_to(images[:1], images.shape)
    decoder, card = fitted(data=(templates, images, identities))
    assert card["predicted_variance"] == 0
    drawn = reconstruct(decoder, templates[:2])
    target = torch.from_numpy(images[:1].copy()).permute(0, 3, 1, 2) / 127.5 - 1
    torch.testing.assert_close(drawn, target.expand(2, -1, -1, -1), atol=1e-3, rtol=0)
