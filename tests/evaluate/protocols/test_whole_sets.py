"""Sets of one's own as a protocol: who is compared, who is enrolled, and what is left out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from nbnet_lib.data.divide import divide
from nbnet_lib.data.listing import from_folder, from_synthfaces, open_source
from nbnet_lib.data.manifest import save_manifest
from nbnet_lib.data.shards import shard_manifest, write_shards
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import open_protocol, own_pictures
from nbnet_lib.evaluate.protocols.pictures import Drawn
from nbnet_lib.faces.framing import FRAMINGS
from synthfaces import Recipe


@pytest.fixture
def folder(tmp_path, faces, save):
    """Nine people with two pictures each, and one with one: set/p0/0.png and so on."""
    root = tmp_path / "set"
    for person in range(10):
        for number in range(2 if person < 9 else 1):
            save(faces[person, number], root / f"p{person}" / f"{number}.png")
    return root


def numbers(protocol):
    return protocol.to_dict()["trials"][0]


def test_all_are_compared_with_all(folder, faces):
    protocol = open_protocol("folder", data=folder)
    assert (protocol.name, protocol.spread) == ("set", "bootstrap")
    assert protocol.source == "set"
    assert protocol.pictures.people == tuple(f"p{n}" for n in range(10))
    reported = numbers(protocol)
    assert reported["genuine"] == 9 and reported["impostor"] == 19 * 18 // 2 - 9
    row = protocol.pictures.names.index("p3/1.png")
    np.testing.assert_array_equal(protocol.pictures.read([row], 64)[0], faces[3, 1])


def test_gallery_and_probes(folder):
    protocol = own_pictures(folder)
    trial, who = protocol.trials[0], protocol.pictures.identities
    enrolled = set(who[trial.gallery])
    assert len(trial.gallery) == len(enrolled) == 7  # two thirds, one picture each
    assert trial.probes["enrolled"].tolist() == trial.gallery.tolist()
    others, strangers = trial.probes["others"], trial.probes["strangers"]
    assert set(who[others]) <= enrolled and not set(others) & set(trial.gallery)
    assert not set(who[strangers]) & enrolled
    assert sorted([*trial.gallery, *others, *strangers]) == list(range(19))
    # Who is enrolled is drawn, and the same for the same seed.
    assert own_pictures(folder).trials[0].gallery.tolist() == trial.gallery.tolist()
    draws = {tuple(own_pictures(folder, seed=seed).trials[0].gallery) for seed in range(5)}
    assert len(draws) > 1


def test_the_evaluation_side_is_taken(folder, tmp_path):
    divided = divide(open_source(folder), 0.4, progress=False)
    path = save_manifest(divided, tmp_path / "m.parquet")
    protocol = open_protocol(path)
    tested = {n for n, s in zip(divided.identities, divided.splits, strict=True) if s[0] == "e"}
    assert set(protocol.pictures.people) == tested and len(tested) == 4
    assert protocol.source == "set, its evaluation split"
    # What is not divided is tested, what is for training is not.
    table = divided.table.assign(split=divided.table["split"].replace("evaluation", ""))
    rest = own_pictures(replace(divided, table=table))
    assert set(rest.pictures.people) == tested
    assert rest.source == "set, its training pictures left out"
    with pytest.raises(NbnetError, match="is for training, all of it"):
        own_pictures(divided.part("train"))


def test_unknown_people_are_left_out(folder):
    manifest = open_source(folder)
    table = manifest.table.copy()
    table.loc[:3, "identity"] = ""
    protocol = own_pictures(replace(manifest, table=table))
    assert len(protocol.pictures) == 15
    assert protocol.source == "set, 4 pictures of unknown people left out"
    with pytest.raises(NbnetError, match="does not say who is on its pictures"):
        own_pictures(from_folder(folder, "none"))


def test_a_large_set_is_drawn_from(folder):
    protocol = own_pictures(folder, most=9, seed=1)
    kept = protocol.pictures
    assert len(kept) <= 9 and len(kept.people) >= 4
    whole = own_pictures(folder).pictures
    for person in kept.people:  # with all their pictures
        files = {n for n in whole.names if n.startswith(f"{person}/")}
        assert files <= set(kept.names)
    assert f"{len(kept.people)} of 10 people drawn (seed 1), because 9" in protocol.source
    other = own_pictures(folder, most=9, seed=2).pictures.people
    assert other != kept.people
    with pytest.raises(NbnetError, match="fewer than two people"):
        own_pictures(folder, most=2)


def test_shards_give_the_same_pictures(folder, tmp_path):
    shard_manifest(open_source(folder), tmp_path / "shards", per_shard=5, progress=False)
    packed = open_protocol("folder", data=tmp_path / "shards").pictures
    files = open_protocol("folder", data=folder).pictures
    assert packed.people == files.people
    np.testing.assert_array_equal(packed.identities, files.identities)
    for one, other in zip(packed.batches(48, 7), files.batches(48, 7), strict=True):
        np.testing.assert_array_equal(one, other)
    assert str(packed.where).endswith("shards") and packed.where.path.name == "shards"


def test_drawn_people_need_no_files(tmp_path, faces, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path / "cache"))
    path = save_manifest(from_synthfaces([3, 5, 10_000], [0, 1]), tmp_path / "m.parquet")
    pictures = open_protocol(path).pictures
    assert isinstance(pictures.where, Drawn) and pictures.people == ("3", "5")
    np.testing.assert_array_equal(pictures.read([3], 64)[0], faces[5, 1])
    assert pictures.framing is FRAMINGS["synthfaces"]


def test_people_of_the_training_range_are_refused(tmp_path):
    manifest = from_synthfaces([10_000, 10_001], 2)
    table = manifest.table.assign(split="evaluation")
    with pytest.raises(NbnetError, match="10000|10,000"):
        own_pictures(replace(manifest, table=table))
    # Also where they come as shards, which do not say what they are for.
    write_shards([10_000, 10_001], Recipe(2, 32), tmp_path, workers=1, progress=False)
    with pytest.raises(NbnetError, match="10000|10,000"):
        own_pictures(tmp_path)


def test_framing(folder, tmp_path):
    assert open_protocol("folder", data=folder).pictures.framing is None
    (folder / "alignment.json").write_text(json.dumps({"framing": "arcface", "size": 64}))
    assert open_protocol("folder", data=folder).pictures.framing is FRAMINGS["arcface"]
    # Every protocol of files knows it, this one from the folder beside the list.
    rows = ["image,identity", *(f"p{n}/{k}.png,p{n}" for n in (0, 1) for k in (0, 1))]
    (folder / "own.csv").write_text("\n".join(rows))
    assert open_protocol(folder / "own.csv").pictures.framing is FRAMINGS["arcface"]
    (folder / "alignment.json").unlink()
    reported = replace(open_source(folder), framing=FRAMINGS["facenet"])
    assert own_pictures(reported).pictures.framing is FRAMINGS["facenet"]
    shard_manifest(reported, tmp_path / "shards", progress=False)
    assert own_pictures(tmp_path / "shards").pictures.framing is FRAMINGS["facenet"]
    assert open_protocol("synthfaces", identities=range(3)).pictures.framing.name == "synthfaces"


def test_sets_without_a_comparison(folder):
    with pytest.raises(NbnetError, match="0 genuine"):
        own_pictures(from_folder(folder, "picture"))
    manifest = open_source(folder)
    with pytest.raises(NbnetError, match="fewer than two people"):
        own_pictures(manifest.select([0, 1]))
    with pytest.raises(NbnetError, match="name no folder"):
        own_pictures(folder, root=folder)


def test_pictures_of_more_than_8_bits_are_refused(folder, tmp_path):
    """In a folder and in shards alike: how bright they should be is a guess."""
    Image.fromarray(np.full((32, 32), 40_000, np.uint16)).save(folder / "p0" / "0.png")
    shard_manifest(open_source(folder), tmp_path / "shards", progress=False)
    for source in (folder, tmp_path / "shards"):
        pictures = open_protocol("folder", data=source).pictures
        with pytest.raises(NbnetError, match="more than 8 bits"):
            pictures.read(np.arange(1), 32)
