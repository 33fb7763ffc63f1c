"""Lists of who is on which picture: CSV, and CelebA's two columns."""

import json
import unicodedata

import pandas as pd
import pytest

from nbnet_lib.data.listing import from_list, open_source
from nbnet_lib.errors import NbnetError


@pytest.fixture
def celeba(tmp_path, put):
    """Three pictures and CelebA's list of them."""
    for number in (1, 2, 3):
        put(tmp_path / "img" / f"{number:06d}.jpg", number)
    path = tmp_path / "identity_CelebA.txt"
    path.write_text("000001.jpg 2880\n000002.jpg 2937\n000003.jpg 2880\n")
    return path


def test_two_columns(celeba):
    manifest = from_list(celeba, celeba.parent / "img")
    assert list(zip(manifest.images, manifest.identities, strict=True)) == [
        ("000001.jpg", "2880"),
        ("000002.jpg", "2937"),
        ("000003.jpg", "2880"),
    ]
    assert manifest.notes == () and set(manifest.splits) == {""}


def test_csv_with_a_split(tmp_path, put):
    for name in ("a/1.png", "b/1.png"):
        put(tmp_path / name, len(name))
    path = tmp_path / "own.csv"
    path.write_text('image,identity,split\na/1.png,"B, Ann",train\nb\\1.png,007,evaluation\n')
    manifest = open_source(path)
    assert manifest.identities == ("B, Ann", "007") and manifest.images[1] == "b/1.png"
    assert manifest.splits == ("train", "evaluation")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_list_in_another_unicode_form_than_the_disk(tmp_path, put, forms):
    """Names as a Mac's archive leaves them."""
    listed, stored = (unicodedata.normalize(form, "Zoë") for form in forms)
    put(tmp_path / stored / "0.png", 1)
    put(tmp_path / stored / "1.png", 2)
    path = tmp_path / "own.csv"
    path.write_text(
        f"image,identity\n{listed}/0.png,{listed}\n{listed}/1.jpg,{listed}\n", encoding="utf-8"
    )
    manifest = open_source(path)
    assert manifest.images == (f"{stored}/0.png", f"{stored}/1.png")
    assert set(manifest.identities) == {unicodedata.normalize("NFC", "Zoë")}
    assert sum("accents of 2 names" in note for note in manifest.notes) == 1


def test_kaggles_lists_of_celeba(celeba):
    """image_id,partition; and where somebody put the identities into the same form."""
    rows = ["image_id,partition", "000001.jpg,0", "000002.jpg,1", "000003.jpg,0"]
    partition, folder = celeba.parent / "list_eval_partition.csv", celeba.parent / "img"
    partition.write_text("\n".join(rows))
    manifest = from_list(celeba, folder, partition=partition)
    assert manifest.splits == ("train", "evaluation", "train")
    people = celeba.with_suffix(".csv")
    people.write_text("image_id,identity\n000001.jpg,2880\n000002.jpg,2937\n000003.jpg,2880\n")
    assert from_list(people, folder, partition=partition).identities == manifest.identities
    with pytest.raises(NbnetError, match="--list identity_CelebA.txt.*--partition"):
        from_list(partition, folder)
    partition.write_text("image_id,5_o_Clock_Shadow\n000001.jpg,1\n")
    with pytest.raises(NbnetError, match="expected image_id,partition"):
        from_list(celeba, folder, partition=partition)


def test_names_with_spaces_need_tabs(celeba):
    celeba.write_text("000001.jpg\tAnn B\n000002.jpg\tCem D\n")
    manifest = from_list(celeba, celeba.parent / "img")
    assert manifest.identities == ("Ann B", "Cem D")
    assert manifest.notes == ("pictures that are not on the list: 1",)


def test_aligned_pictures_have_another_ending(celeba, tmp_path, put):
    aligned = tmp_path / "aligned" / "img"
    put(aligned / "000001.png", 1)
    put(aligned / "000003.png", 3)
    with pytest.raises(NbnetError, match=r"CelebA.txt:2: 000002.jpg is not in .*as 1 of 3 listed"):
        from_list(celeba, aligned)
    summary = {"framing": "arcface", "size": 24, "counts": {"failed": 1}}
    (tmp_path / "aligned" / "alignment.json").write_text(json.dumps(summary))
    status = ["aligned", "failed", "aligned"]
    images = [f"img/{n:06d}.jpg" for n in (1, 2, 3)]
    table = pd.DataFrame({"image": images, "status": status})
    table.to_parquet(tmp_path / "aligned" / "alignment.parquet")
    manifest = from_list(celeba, aligned)
    assert manifest.images == ("000001.png", "000003.png")
    assert manifest.notes[0] == "listed pictures that could not be aligned: 1 of 3"
    # One that the alignment did not fail on is missing, and that is not passed over.
    (aligned / "000003.png").unlink()
    with pytest.raises(NbnetError, match="000003.jpg is not in"):
        from_list(celeba, aligned)
    (tmp_path / "aligned" / "alignment.parquet").write_bytes(b"PAR1")
    with pytest.raises(NbnetError, match="alignment.parquet cannot be read"):
        from_list(celeba, aligned)


def test_missing_pictures_can_be_left_out(celeba):
    (celeba.parent / "img" / "000002.jpg").unlink()
    manifest = from_list(celeba, celeba.parent / "img", leave_out_missing=True)
    assert manifest.images == ("000001.jpg", "000003.jpg")
    assert manifest.notes == ("listed pictures that are not there: 1 of 3",)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("000001.jpg 1\n000001.jpg 2\n", r"txt:2: 000001.jpg is listed twice"),
        ("000001.jpg\n", "txt:1: 1 fields"),
        ("000001.jpg Ann B\n", "txt:1: 3 fields"),
        ("../000001.jpg 1\n", "leaves the folder"),
        ("\n", "is empty"),
        ("000001.jpg \xff\n", "UTF-8"),
        ("000009.jpg 1\n", "txt:1: 000009.jpg is not in"),
    ],
)
def test_bad_lists_are_refused(celeba, lines, said):
    celeba.write_bytes(lines.encode("latin-1"))
    with pytest.raises(NbnetError, match=said):
        from_list(celeba, celeba.parent / "img")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,who\n000001.jpg,1\n", "columns are image, who: expected"),
        ("image,split\n000001.jpg,train\n", "expected image,identity"),
        ("image,identity,split\n000001.jpg,1,test\n", "split is 'test'"),
        ("image,identity\n000001.jpg,\n", "'identity' is empty"),
    ],
)
def test_bad_csv_is_refused(celeba, text, said):
    path = celeba.with_suffix(".csv")
    path.write_text(text)
    with pytest.raises(NbnetError, match=said):
        from_list(path, celeba.parent / "img")


def test_two_pictures_for_one_line(celeba, put):
    put(celeba.parent / "img" / "000001.png", 7)
    (celeba.parent / "img" / "000001.jpg").unlink()
    put(celeba.parent / "img" / "000001.bmp", 7)
    with pytest.raises(NbnetError, match=r"000001\.bmp and 000001\.png are: keep one"):
        from_list(celeba, celeba.parent / "img")


def test_a_partition(celeba):
    path = celeba.with_name("list_eval_partition.txt")
    path.write_text("000001.jpg 0\n000002.jpg 2\n000003.jpg 0\n000004.jpg 1\n")
    manifest = from_list(celeba, celeba.parent / "img", partition=path)
    assert manifest.splits == ("train", "evaluation", "train")
    for text, said in [
        ("000001.jpg 0\n000002.jpg 2\n000003.jpg 1\n", "'2880' is in train and in evaluation"),
        ("000001.jpg 0\n", "txt:2: 000002.jpg is not in .*partition.txt: take"),
        ("000001.jpg 3\n", "partition.txt:1: 000001.jpg 3"),
        ("000001.jpg\n", "partition.txt:1: 1 fields"),
    ]:
        path.write_text(text)
        with pytest.raises(NbnetError, match=said):
            from_list(celeba, celeba.parent / "img", partition=path)
