"""Recognisers written by torch.jit.save."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nbnet_lib.encoders import create_encoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import to_tensor

# torch recommends other formats to those who write such files, as these tests do.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]


@pytest.fixture
def save(tmp_path, tiles):
    def saved(module=None, example=None):
        path = tmp_path / "model.pt"
        example = torch.zeros(2, 3, 64, 64) if example is None else example
        torch.jit.save(torch.jit.trace(module or tiles, example), path)
        return path

    return saved


def test_the_templates_are_the_modules(save, tiles, faces):
    path = save()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # opening a file is no time for advice on writing it
        encoder = create_encoder(f"torchscript:{path}", image_size=64)
        templates = encoder.embed(faces.images)
    assert (encoder.name, encoder.template_dim) == ("torchscript:model.pt", 48)
    expected = F.normalize(tiles(to_tensor(faces.images)))
    torch.testing.assert_close(templates, expected, atol=1e-6, rtol=0)
    assert "framing: arcface" in encoder.card["assumed"]
    assert not any("image_size" in line for line in encoder.card["assumed"])


def test_its_card_lies_beside_it(save, tiles, faces):
    path = save()
    path.with_suffix(".yaml").write_text("name: tiles\nimage_size: 64\nchannels: bgr\n")
    encoder = create_encoder(f"torchscript:{path}")
    images = to_tensor(faces.images)
    assert encoder.name == "tiles"
    torch.testing.assert_close(
        encoder(images), F.normalize(tiles(images.flip(1))), atol=1e-6, rtol=0
    )


class InPlace(nn.Module):
    def forward(self, x):
        return x.sub_(1).flatten(1)[:, :48]


def test_a_network_may_write_into_what_it_gets(save, faces):
    encoder = create_encoder(f"torchscript:{save(InPlace())}", image_size=64)
    images = to_tensor(faces.images)
    before = images.clone()
    assert torch.equal(encoder(images), encoder(images))
    assert torch.equal(images, before)


class Pair(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :48], x.flatten(1)[:, 48:]


class FixedSize(nn.Module):
    def forward(self, x):
        return (x.flatten(1) * torch.ones(3 * 64 * 64))[:, :48]


def test_what_it_answers_must_be_templates(save):
    with pytest.raises(NbnetError, match="with tuple: expected floats"):
        create_encoder(f"torchscript:{save(Pair())}", image_size=64)
    with pytest.raises(
        NbnetError, match=r"failed on pictures \[1, 3, 112, 112\] .*image_size"
    ) as e:
        create_encoder(f"torchscript:{save(FixedSize())}")
    assert "\n" not in str(e.value)


def test_entries_that_mean_nothing_here_are_refused(save):
    path = save()
    for entry in ({"takes": "numpy"}, {"output": "683"}):
        with pytest.raises(NbnetError, match="which it cannot use"):
            create_encoder(f"torchscript:{path}", image_size=64, **entry)


def test_files_that_are_not_torchscript(save, tiles, tmp_path):
    path = save()
    whole = path.read_bytes()
    torch.save(tiles.state_dict(), tmp_path / "weights.pt")
    weights = (tmp_path / "weights.pt").read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"not a zip", weights):
        path.write_bytes(content)
        with pytest.raises(NbnetError, match="model.pt is not a TorchScript file.*torch.jit.save"):
            create_encoder(f"torchscript:{path}", image_size=64)
    with pytest.raises(NbnetError, match="nothing.pt is not a TorchScript file"):
        create_encoder(f"torchscript:{tmp_path / 'nothing.pt'}")
