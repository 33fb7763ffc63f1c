"""The benchmark from rendering to table, with a tiny encoder in the target's place."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.decoders import create_decoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import run_benchmark
from nbnet_lib.faces import to_tensor


class ColourEncoder:
    """Mean colours of 3 x 2 tiles: enough to tell people apart a bit."""

    name, template_dim, image_size = "colour", 18, 32

    def embed(self, images, batch_size=256, progress=False):
        if isinstance(images, np.ndarray):
            images = to_tensor(images)
        tiles = F.adaptive_avg_pool2d(images, (3, 2)).flatten(1)
        return F.normalize(tiles + torch.linspace(-0.5, 0.5, 18), dim=1)


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return create_decoder("dcnn", 18, 40, base_channels=16)


def test_from_rendering_to_table(decoder, tmp_path, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path))
    result = run_benchmark(
        ColourEncoder(), decoder, identities=range(6), samples=2, fars=(0.1,), progress=False
    )
    told = result.to_dict()
    assert told["decoder"] == "dcnn-40" and told["encoder"] == "colour"
    assert told["identities"] == 6 and told["samples"] == 2
    assert told["comparisons"] == {"genuine": 6, "impostor": 60, "type1": 12, "type2": 12}
    assert list(told["seconds"]) == ["render", "embed", "attack", "measure"]
    assert 0 <= told["far"]["0.1"]["type1"]["tar"] <= 1


def test_refusals(decoder):
    with pytest.raises(NbnetError, match="10000 is not for evaluation"):
        run_benchmark(ColourEncoder(), decoder, identities=[0, 10_000], samples=2)
    with pytest.raises(NbnetError, match="at least 2 of both"):
        run_benchmark(ColourEncoder(), decoder, identities=[0, 1], samples=1)
    with pytest.raises(NbnetError, match="at least 2 of both"):
        run_benchmark(ColourEncoder(), decoder, identities=[0, 0], samples=2)
    other = create_decoder("dcnn", 32, 40, base_channels=16)
    with pytest.raises(NbnetError, match="length 18 but the decoder takes 32"):
        run_benchmark(ColourEncoder(), other, identities=[0, 1], samples=2)
