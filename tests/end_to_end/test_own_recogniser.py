"""The whole way with what a user brings: photographs -> aligned faces -> templates -> some steps
of training -> attack table, for each kind of recogniser.

The photographs are SynthFaces in larger scenes, on disk exactly as LFW and as a folder of people
are: whoever has the real files meets no other code.
"""

import importlib.util
import json

import numpy as np
import pytest

from nbnet_lib.cli import main
from nbnet_lib.encoders import create_encoder

pytestmark = pytest.mark.slow

OWN = '''
"""A recogniser of one's own: any function from pictures to vectors."""

import numpy as np
from nbnet_lib.encoders import create_encoder

target = create_encoder("synth")


def embed(images):
    """float32 [N, 3, 64, 64] in [-1, 1] -> [N, 128]"""
    return np.asarray(target(images))
'''


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Photographs of 12 people in LFW's layout to attack, of 4 others to train with."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(folder / "cache"))
        for layout, people in {"lfw": "0-11", "folder": "10000-10003"}.items():
            people = ["--identities", people, "--samples", 3]
            run("data", "rehearse", layout, *people, "--out", folder / layout)
        yield folder


def run(*arguments):
    assert main([str(a) for a in arguments]) == 0


@pytest.fixture
def nbnet(capsys):
    def report(*arguments):
        capsys.readouterr()
        run(*arguments, "--json")
        return json.loads(capsys.readouterr().out)

    return report


@pytest.fixture(scope="module")
def recognisers(work):
    """What --encoder is given, by kind; ONNX and the function are the synth encoder in disguise."""
    (work / "own.py").write_text(OWN, encoding="utf-8")
    card = "image_size: 64\nframing: synthfaces\n"
    (work / "own.yaml").write_text(card, encoding="utf-8")
    run("encoder", "export", "--out", work / "model.onnx")
    return {
        "onnx": f"onnx:{work / 'model.onnx'}",
        "callable": f"python:{work / 'own.py'}:embed",
        "dlib": "dlib",
    }


KINDS = [
    "onnx",
    "callable",
    pytest.param(
        "dlib",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("dlib") is None, reason='needs pip install -e ".[dlib]"'
        ),
    ),
]


@pytest.mark.parametrize("kind", KINDS)
def test_from_photographs_to_the_attack_table(work, recognisers, nbnet, kind):
    encoder = recognisers[kind]
    # Two expect SynthFaces' framing and share the pictures: the second call keeps them all.
    shared = "dlib" if kind == "dlib" else "synth"
    lfw, mine = work / f"lfw-{shared}", work / f"mine-{shared}"
    aligned = nbnet("data", "align", work / "lfw" / "lfw", lfw, "--encoder", encoder)
    assert (aligned["pictures"], aligned["aligned"], aligned["failed"]) == (36, 36, 0)
    nbnet("data", "align", work / "folder" / "people", mine, "--encoder", encoder)

    out = work / "runs" / kind
    train = ["train", "--encoder", encoder, "--data", mine, "--decoder", "dcnn", "--lr", "1e-3"]
    train += ["--image-size", 40]
    trained = nbnet(*train, "--steps", 20, "--batch-size", 4, "--out", out)
    assert trained["card"]["data"].endswith("12 pictures of 4 people, 40 px")
    assert trained["card"]["framing"] == ("dlib" if kind == "dlib" else "synthfaces")
    assert np.load(out / "templates.npy").shape == (12, 128)

    attack = ["--decoder", out / "decoder.safetensors", "--far", "0.05"]
    lists = ["--list", work / "lfw" / "pairs.txt"]
    protocol = ["--protocol", "lfw", "--data", lfw, *lists]
    result = nbnet("evaluate", "--encoder", encoder, *attack, *protocol)
    assert result["protocol"]["pictures"] == 36 and len(result["protocol"]["trials"]) == 6
    tar = [m for m in result["measures"] if m["measure"] == "tar"]
    rows = {(m["attack"], m["kind"]): m["value"] for m in tar}
    (name,) = {attack for attack, _ in rows} - {"original"}
    # The recogniser works on the aligned photographs, and 20 steps are not yet a good attack.
    assert rows["original", "original"] > 0.85
    assert 0 <= rows[name, "type2"] <= 1 and 0 <= rows[name, "type1"] <= 1


def test_disguises_change_no_template(work, recognisers):
    """What ONNX and a function see is what the network itself sees."""
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    expected = create_encoder("synth").embed(images)
    for kind in ("onnx", "callable"):
        found = create_encoder(recognisers[kind]).embed(images)
        assert float((found - expected).abs().max()) < 1e-5
