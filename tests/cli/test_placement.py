"""Pictures that nobody aligned are measured with a word, whatever door they come in by."""

import json

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.data.listing import open_source
from nbnet_lib.data.manifest import save_manifest
from nbnet_lib.data.shards import shard_manifest
from nbnet_lib.faces import render_set

QUICK = ["--resamples", "5", "--far", "0.1", "--json"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Six people, two pictures each, as photographs are: 150 pixels with the face in 100."""
    root = tmp_path_factory.mktemp("raw")
    faces = render_set(range(6), 2, 100, workers=1, cache=root / ".drawn", progress=False)
    lines = ["image,identity"]
    for image, who, shot in zip(faces.images, faces.identities, faces.samples, strict=True):
        picture = np.full((150, 150, 3), 90, np.uint8)
        picture[20:120, 25:125] = image
        path = root / "pictures" / f"P{who}" / f"{shot}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, quality=95)
        lines.append(f"P{who}/{shot}.jpg,P{who}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    manifest = open_source(root / "pictures")
    save_manifest(manifest, root / "people.parquet")
    shard_manifest(manifest, root / "shards")
    return root


@pytest.mark.parametrize(
    "door",
    [
        ("--protocol", "folder", "--data", "pictures"),
        ("--protocol", "folder", "--data", "shards"),
        ("--protocol", "people.parquet"),
        ("--protocol", "list.csv", "--data", "pictures"),
    ],
)
def test_evaluate(nbnet, raw, door, monkeypatch):
    monkeypatch.chdir(raw)
    found = json.loads(nbnet("evaluate", "--no-attack", *door, *QUICK))
    counts = {"checked": 12, "off": 12, "no_face": 0, "framing": "synthfaces"}
    assert found["alignment"] == counts
    assert "--framing synthfaces --size 64" in found["notes"][0]


def test_embed_and_test(nbnet, raw, tmp_path):
    pictures = ["--data", raw / "pictures"]
    found = json.loads(nbnet("encoder", "embed", *pictures, "--out", tmp_path / "t.npz", "--json"))
    assert found["alignment"]["off"] == 12 and "data align" in found["notes"][0]
    few = ["--diagnose", "0", "--profile", "0", *QUICK]
    found = json.loads(nbnet("encoder", "test", *pictures, *few))
    assert found["alignment"]["off"] == 12 and "data align" in found["notes"][0]


def test_the_advice_helps(nbnet, raw, tmp_path, monkeypatch):
    """What the note says, word for word: align, and give the new folder; or look for faces."""
    monkeypatch.chdir(raw)
    out = tmp_path / "aligned"
    nbnet(
        "data", "align", "pictures", out, "--framing", "synthfaces", "--size", "64", "--workers", 1
    )
    listed = ["evaluate", "--no-attack", "--protocol", "list.csv", *QUICK]
    for way in (["--data", out], ["--data", "pictures", "--alignment", "detect"]):
        found = json.loads(nbnet(*listed, *way))
        assert "alignment" not in found
        assert not any("data align" in note for note in found["notes"])
