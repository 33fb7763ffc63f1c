"""Any function as an encoder: what it gets, what it may return, and what is said if it is wrong."""

import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nbnet_lib.attack import reconstruct
from nbnet_lib.decoders import create_decoder
from nbnet_lib.encoders import create_encoder
from nbnet_lib.errors import NbnetError, NbnetWarning
from nbnet_lib.faces import resize, to_tensor
from nbnet_lib.faces.framing import FRAMINGS

SIZE = {"image_size": 64}


@pytest.mark.parametrize(
    "give",
    [
        lambda y: y,
        lambda y: y.numpy(),
        lambda y: y.double().numpy(),
        lambda y: y.half(),
        lambda y: list(y),
        lambda y: y.tolist(),
    ],
)
def test_arrays_of_every_kind_are_templates(tiles, faces, give):
    def embed(x):
        assert isinstance(x, torch.Tensor) and x.shape[1:] == (3, 64, 64)
        return give(tiles(x))

    encoder = create_encoder(embed, **SIZE)
    assert (encoder.name, encoder.template_dim) == ("embed", 48)
    templates = encoder.embed(faces.images)
    expected = F.normalize(tiles(to_tensor(faces.images)))
    torch.testing.assert_close(templates, expected, atol=2e-3, rtol=0)
    assert templates.dtype == torch.float32 and not templates.requires_grad


def test_a_function_gets_our_convention_unless_it_says_otherwise(tiles, faces):
    seen = []

    def embed(x):
        seen.append(x)
        return tiles(resize(x, 64))

    encoder = create_encoder(embed)
    encoder.embed(faces.images[:2])
    x = seen[-1]
    assert x.shape == (2, 3, 112, 112) and x.dtype == torch.float32
    assert -1 <= x.min() < -0.5 and 0.5 < x.max() <= 1
    assert encoder.framing == FRAMINGS["synthfaces"]
    assert "image_size: 112" in encoder.card["assumed"]


def test_numpy_and_bytes(tiles, faces):
    def from_bytes(x):
        assert x.dtype == np.uint8 and x.shape[1:] == (64, 64, 3)
        return tiles(to_tensor(x[..., ::-1])).numpy()

    def from_numpy(x):
        assert isinstance(x, np.ndarray) and x.dtype == np.float32
        return tiles(torch.from_numpy(x) * 2 - 1).numpy()

    expected = F.normalize(tiles(to_tensor(faces.images)))
    for encoder in (
        create_encoder(from_bytes, takes="uint8", channels="bgr", **SIZE),
        create_encoder(from_numpy, takes="numpy", mean=0, std=255, **SIZE),
    ):
        torch.testing.assert_close(encoder.embed(faces.images), expected, atol=1e-5, rtol=0)
    with pytest.raises(NbnetError, match="takes uint8 and std 128: bytes cannot be scaled"):
        create_encoder(from_bytes, takes="uint8", std=128, **SIZE)


def test_a_function_may_write_into_what_it_gets(tiles, faces):
    def embed(x):
        y = tiles(x)
        x.zero_()
        return y

    images = to_tensor(faces.images)
    before = images.clone()
    create_encoder(embed, **SIZE).embed(images)
    assert torch.equal(images, before)


def test_a_torch_module_is_put_into_evaluation_mode(tiles, faces):
    module = nn.Sequential(tiles, nn.Dropout(0.5)).train()
    encoder = create_encoder(module, **SIZE)
    assert encoder.card["notes"] == []
    assert torch.equal(encoder.embed(faces.images), encoder.embed(faces.images))


def test_a_function_that_is_not_repeatable_is_noted(tiles):
    def embed(x):
        return tiles(x) + 0.3 * torch.randn(len(x), 48)

    with pytest.warns(NbnetWarning, match="embed gives the same picture another template each"):
        encoder = create_encoder(embed, **SIZE)
    assert len(encoder.card["notes"]) == 1


def test_a_function_that_minds_its_batch_is_asked_for_one_picture_at_a_time(tiles, faces):
    sizes = []

    def embed(x):
        sizes.append(len(x))
        y = tiles(x)
        return y - y.mean(0) if len(x) > 1 else y

    with pytest.warns(NbnetWarning, match="next to other pictures .*is it in evaluation mode"):
        encoder = create_encoder(embed, **SIZE)
    sizes.clear()
    templates = encoder.embed(faces.images[:4])
    assert sizes == [1] * 4
    torch.testing.assert_close(templates, F.normalize(tiles(to_tensor(faces.images[:4]))))


def test_a_function_for_single_pictures(tiles, faces):
    def embed(x):
        if len(x) != 1:
            raise ValueError("one picture, please")
        return tiles(x)

    with pytest.warns(NbnetWarning, match="one picture at a time.*one picture, please"):
        encoder = create_encoder(embed, **SIZE)
    assert encoder.embed(faces.images[:3]).shape == (3, 48)


@pytest.mark.parametrize("answer", [None, torch.zeros(1, 7)])
def test_a_function_for_single_pictures_that_finds_no_face(tiles, faces, answer):
    embedded = []

    def embed(x):
        (picture,) = x  # of several, a ValueError
        embedded.append(picture)
        return answer if len(embedded) == 12 else tiles(x)

    with pytest.warns(NbnetWarning, match="one picture at a time"):
        encoder = create_encoder(embed, **SIZE)
    given = "NoneType" if answer is None else r"\[1, 7\]"
    with pytest.raises(NbnetError, match=rf"{given}: expected floats \[1, 48\]"):
        encoder.embed(faces.images)


def test_an_answer_may_be_the_same_array_each_time(tiles, faces):
    buffer = np.empty((1, 48), np.float32)

    def embed(x):
        (picture,) = x
        buffer[:] = tiles(picture[None]).numpy()
        return buffer

    with pytest.warns(NbnetWarning, match="one picture at a time"):
        encoder = create_encoder(embed, **SIZE)
    expected = F.normalize(tiles(to_tensor(faces.images[:3])))
    torch.testing.assert_close(encoder.embed(faces.images[:3]), expected)


def test_templates_that_hardly_differ_are_suspicious(tiles):
    with pytest.warns(NbnetWarning, match="4 different people nearly the same template"):
        create_encoder(lambda x: tiles(x) + 1000, **SIZE)


def fails(x):
    raise KeyError("model not loaded")


@pytest.mark.parametrize(
    "function, words",
    [
        (fails, r"fails failed on .*KeyError: 'model not loaded', test_functions.py line"),
        (lambda x: None, "with NoneType: expected floats"),
        (lambda x: ["a"], "failed on .*TypeError"),
        (lambda x: x.flatten(1)[:, :64].flatten(), r"float32 \[64\]: expected floats \[1, d\]"),
        (lambda x: torch.ones(len(x), 64, dtype=torch.int64), r"int64 \[1, 64\]: expected floats"),
        (lambda x: torch.ones(7, 64), r"\[7, 64\]: expected floats \[1, 64\]"),
        (lambda x: x.flatten(1)[:, :15], "15 numbers per picture"),
        (lambda x: torch.log(x.flatten(1)[:, :64]), "NaN"),
        (lambda x: torch.zeros(len(x), 64), "zeros"),
        (lambda x: 1e25 * x.flatten(1)[:, :64], "infinity"),
        (lambda x: 1e-20 * x.flatten(1)[:, :64], "zeros"),
        (lambda x: torch.ones(len(x), 64), "4 different people the same template"),
        (nn.Linear, "Linear is a class: give a function"),
    ],
)
def test_what_is_no_recogniser_is_refused(function, words):
    with pytest.raises(NbnetError, match=words):
        create_encoder(function, **SIZE)


def test_another_length_in_a_batch_is_refused_there(faces):
    """One length for one picture, another for several: pictures are then given singly."""
    with pytest.warns(NbnetWarning, match=r"one picture at a time.*expected floats \[4, 32\]"):
        encoder = create_encoder(lambda x: x.flatten(1)[:, : 32 * min(len(x), 2)], **SIZE)
    assert encoder.embed(faces.images[:3]).shape == (3, 32)


@pytest.mark.parametrize("dim", [2622, 4096])
def test_templates_as_long_as_those_of_vgg_face(faces, dim):
    encoder = create_encoder(lambda x: x.flatten(1)[:, :dim], template_dim=dim, **SIZE)
    templates = encoder.embed(faces.images[:2])
    assert templates.shape == (2, dim)
    pictures = reconstruct(create_decoder("nbnet-b", dim, 40, base_channels=64), templates)
    assert pictures.shape == (2, 3, 40, 40) and pictures.std() > 0


def test_memory_that_runs_out_is_not_blamed_on_the_card(tiles):
    encoder = create_encoder(lambda x: tiles(x) if len(x) < 9 else torch.empty(1 << 50), **SIZE)
    with pytest.raises(RuntimeError, match="allocate memory"):
        encoder.embed(torch.zeros(9, 3, 64, 64))


def test_wrong_options_are_named(tiles):
    with pytest.raises(NbnetError, match="'colour' that is not known"):
        create_encoder(tiles, colour="bgr")
    with pytest.raises(
        NbnetError, match="templates of length 48 but its card says template_dim 64"
    ):
        create_encoder(tiles, template_dim=64, **SIZE)


MODULE = """
import torch
import torch.nn.functional as F
import beside_{stem}
OTHER = 3
def embed(x):
    return beside_{stem}.features(x)
def prepare():
    pass
"""
BESIDE = """
import torch.nn.functional as F
def features(x):
    return F.adaptive_avg_pool2d(x, 4).flatten(1)
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])

    def written(stem, text=MODULE):
        (tmp_path / f"beside_{stem}.py").write_text(BESIDE)
        path = tmp_path / f"{stem}.py"
        path.write_text(text.replace("{stem}", stem))
        return path

    return written


def test_a_function_in_a_file(write, faces):
    path = write("mine_a")
    encoder = create_encoder(f"python:{path}:embed", **SIZE)
    assert encoder.name == "python:mine_a.py:embed" and str(path.parent) not in encoder.name
    assert str(path.parent) not in sys.path  # only while it is imported
    features = F.adaptive_avg_pool2d(to_tensor(faces.images), 4).flatten(1)
    torch.testing.assert_close(encoder.embed(faces.images), F.normalize(features))


def test_its_card_is_the_yaml_file_beside_it(write):
    path = write("mine_b")
    path.with_suffix(".yaml").write_text("name: mine\nimage_size: 96\nframing: arcface\n")
    encoder = create_encoder(f"python:{path}:embed")
    assert (encoder.name, encoder.image_size) == ("mine", 96)
    assert encoder.framing == FRAMINGS["arcface"]


def test_a_function_in_a_module(write, monkeypatch):
    path = write("mine_c")
    monkeypatch.chdir(path.parent)
    encoder = create_encoder("python:mine_c:embed", **SIZE)
    assert encoder.name == "python:mine_c:embed" and encoder.template_dim == 48


@pytest.mark.parametrize(
    "what, words",
    [
        ("{path}", "names no function: write python:FILE.py:FUNCTION"),
        ("{path}:no_such", "has no function no_such: it has embed, prepare"),
        ("nothing.py:embed", "no file nothing.py"),
        ("no_such_module:embed", "no_such_module cannot be imported .ModuleNotFoundError"),
    ],
)
def test_a_name_that_leads_nowhere(write, what, words):
    with pytest.raises(NbnetError, match=words):
        create_encoder("python:" + what.format(path=write("mine_d")), **SIZE)


@pytest.mark.parametrize(
    "text, words",
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("x = 1\ny = x / 0", "ZeroDivisionError: division by zero, mine_e.py line 2"),
    ],
)
def test_a_file_that_cannot_be_imported(write, text, words):
    with pytest.raises(NbnetError, match=f"mine_e.py cannot be imported .*{words}") as caught:
        create_encoder(f"python:{write('mine_e', text)}:embed", **SIZE)
    assert "\n" not in str(caught.value)
