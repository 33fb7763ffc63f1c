"""Color FERET: by file names, by NIST's lists, and what the two may get wrong."""

import bz2

import numpy as np
import pytest

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols import feret, open_protocol

# Two days of 00002, of which the first has no fa; letters tell sessions of a day apart; 00004 has
# no fb of the session of its fa; 00005 has no fa at all.
FILES = [
    "00001/00001_930831_fa_a.ppm.bz2",
    "00001/00001_930831_fb_a.ppm.bz2",
    "00002/00002_930831_fb.ppm",
    "00002/00002_931230_fa.ppm",
    "00002/00002_931230_fb.ppm",
    "00002/00002_940422_fa.ppm",
    "00003/00003_940128_fa_a.jpg",
    "00003/00003_940128_fa_b.jpg",
    "00003/00003_940128_fb_a.jpg",
    "00003/00003_940128_fb_b.jpg",
    "00004/00004_940128_fa_a.png",
    "00004/00004_940128_fb_b.png",
    "00005/00005_940307_fb.png",
    "00001/00001_930831_hl_a.ppm",  # a half profile is no part of this
]


@pytest.fixture(scope="module")
def folder(faces, save, tmp_path_factory):
    root = tmp_path_factory.mktemp("feret")
    for i, name in enumerate(FILES):
        plain = root / name.removesuffix(".bz2")
        save(faces[i % 20, 0], plain)
        if name.endswith(".bz2"):
            (root / name).write_bytes(bz2.compress(plain.read_bytes()))
            plain.unlink()
    (root / "00001" / "00001_930831_fa_a.xml").write_text("<x/>")
    return root


def test_by_file_names_the_first_session_with_fa(folder, faces):
    protocol = open_protocol("feret", data=folder)
    pictures, trial = protocol.pictures, protocol.trials[0]
    assert pictures.people == ("00001", "00002", "00003", "00004")
    assert [pictures.names[r] for r in trial.gallery] == [FILES[i] for i in (0, 3, 6, 10)]
    assert [pictures.names[r] for r in trial.probes["fb"]] == [FILES[i] for i in (1, 4, 8)]
    np.testing.assert_array_equal(trial.probes["fa"], trial.gallery)
    assert pictures.identities.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert protocol.spread == "bootstrap" and trial.pairs is None
    message = protocol.to_dict()["trials"][0]
    assert message["genuine"] == 3 and message["impostor"] == 18 and message["non_mated"] == 0
    assert message["probes"] == {"fa": 4, "fb": 3}
    # The packed pictures are read too.
    np.testing.assert_array_equal(pictures.read([0, 4], 64), [faces[0, 0], faces[1, 0]])


def written(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_by_lists_as_nist_writes_them_or_names_alone(folder, tmp_path):
    fa = written(
        tmp_path / "fa.txt",
        "00003 00003_940128_fa_b.ppm",  # on disk it is a JPEG crop
        "00002\t00002_940422_fa.ppm",
        "00001 00001_930831_fa_a.ppm",
    )
    fb = written(tmp_path / "fb.txt", "00003/00003_940128_fb_a.ppm.bz2", "00001_930831_fb_a.ppm")
    protocol = feret(folder, fa, fb)
    trial = protocol.trials[0]
    assert [protocol.pictures.names[r] for r in trial.gallery] == [FILES[i] for i in (0, 5, 7)]
    assert [protocol.pictures.names[r] for r in trial.probes["fb"]] == [FILES[i] for i in (1, 8)]
    assert protocol.source == "fa.txt and fb.txt: 3 fa and 2 fb pictures"


def test_lists_are_found_where_nist_puts_them(folder):
    lists = folder / "dvd1" / "doc" / "partitions"
    lists.mkdir(parents=True)
    written(lists / "fa.txt", "00002 00002_940422_fa.ppm", "00001 00001_930831_fa_a.ppm")
    written(lists / "fb.txt", "00001 00001_930831_fb_a.ppm")
    protocol = open_protocol("feret", data=folder)
    (lists / "fa.txt").unlink()
    assert protocol.source == "fa.txt and fb.txt: 2 fa and 1 fb pictures"


FA, FB = "00001 00001_930831_fa_a.ppm", "00001 00001_930831_fb_a.ppm"
BROKEN = {
    "no name": (["00001"], [FB], r"fa.txt:1: '00001' is not a line of the fa list"),
    "lists swapped": ([FB], [FA], r"fa.txt:1: .* is not a line of the fa list"),
    "wrong subject": (["00002 " + FA[6:]], [FB], "fa.txt:1: .*00002 00001_"),
    "two of a person": (
        ["00002_931230_fa.ppm", "00002_940422_fa.ppm"],
        [FB],
        r"fa.txt:2: 00002 has a picture in this list already, 00002_931230_fa",
    ),
    "missing": (
        [FA, "00009 00009_930831_fa.ppm"],
        [FB],
        r"fa.txt:2: the picture 00009_930831_fa i",
    ),
    "fb without fa": ([FA], [FB, "00002_931230_fb.ppm"], r"fb.txt: 00002 is in fb but not in fa"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_lists_that_do_not_fit(folder, tmp_path, case):
    fa, fb, message = BROKEN[case]
    with pytest.raises(NbnetError, match=message):
        feret(folder, written(tmp_path / "fa.txt", *fa), written(tmp_path / "fb.txt", *fb))


def test_folders_that_do_not_fit(faces, save, folder, tmp_path):
    with pytest.raises(NbnetError, match="one list without the other"):
        feret(folder, fa_list=tmp_path / "fa.txt")
    with pytest.raises(NbnetError, match="holds 0 fa and 0 fb pictures .* both are needed"):
        feret(tmp_path)
    save(faces[0, 0], tmp_path / "images" / "00001_930831_fa.png")
    with pytest.raises(NbnetError, match="holds 1 fa and 0 fb pictures"):
        feret(tmp_path)
    save(faces[0, 0], tmp_path / "smaller" / "00001_930831_fa.png")
    with pytest.raises(
        NbnetError,
        match="00001_930831_fa twice, as images/00001_930831_fa.png and as smaller/.*: give the",
    ):
        feret(tmp_path)
