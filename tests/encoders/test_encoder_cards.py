"""Cards: what a person writes about a recogniser, checked, and completed for use."""

import json

import pytest

from nbnet_lib.encoders import Preprocess
from nbnet_lib.encoders.card import KEYS, check_card, complete_card, find_card, read_card
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import FRAMINGS, Framing

POINTS = [list(point) for point in FRAMINGS["facenet"].points]


def test_yaml_and_json_say_the_same(tmp_path):
    entries = {"name": "x", "image_size": 112, "mean": [1, 2, 3], "framing": POINTS}
    (tmp_path / "a.json").write_text(json.dumps(entries))
    (tmp_path / "a.yaml").write_text(
        f"name: x\nimage_size: 112\nmean: [1, 2, 3]\nframing: {POINTS}\nsource: null\n"
    )
    one = read_card(tmp_path / "a.yaml")
    assert one == read_card(tmp_path / "a.json")
    assert one["framing"] == Framing("own", FRAMINGS["facenet"].points)
    assert "source" not in one  # null says nothing


def test_the_example_in_the_documentation_is_a_card(tmp_path):
    from nbnet_lib.encoders import card

    text = card.__doc__.split("left out:")[1]
    (tmp_path / "x.yaml").write_text("\n".join(line[4:] for line in text.strip("\n").split("\n")))
    entries = read_card(tmp_path / "x.yaml")
    assert set(entries) == set(KEYS) - {"verification"}


@pytest.mark.parametrize(
    "entries, words",
    [
        ([1], "holds list: write entries"),
        ({"license": "MIT"}, "'license' that is not known.*licence"),
        ({"name": 7}, "name: 7, expected text"),
        ({"image_size": "112"}, "the image size is '112'"),
        ({"channels": "RGB"}, "channels is 'RGB'"),
        ({"mean": [1, 2]}, r"mean is \[1, 2\]"),
        ({"std": 0}, "give none of 0"),
        ({"framing": "insightface"}, "no framing is named 'insightface'"),
        ({"framing": POINTS[:4]}, "the framing 'own' has the points"),
        ({"template_dim": 8}, "template_dim: 8, expected"),
        ({"alignment": "mtcnn"}, "alignment: 'mtcnn', expected framing or detect"),
        ({"takes": "pil"}, "expected torch or numpy or uint8"),
        ({"verification": 0.99}, "verification: 0.99, expected the rates"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(entries, words):
    with pytest.raises(NbnetError, match=words) as caught:
        check_card(entries, "the card my.yaml")
    assert "the card my.yaml" in str(caught.value)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"name: [", "x.yaml is not valid text in its format"),
        (b"!!python/object/apply:os.system ['true']", "is not valid text"),
        (b"", "holds NoneType"),
    ],
)
def test_a_file_that_is_no_card_is_named(tmp_path, content, words):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(NbnetError, match=words) as caught:
        read_card(tmp_path / "x.yaml")
    assert "\n" not in str(caught.value)


def test_a_card_that_is_not_there(tmp_path):
    with pytest.raises(NbnetError, match="x.yaml cannot be read .No such file"):
        find_card(tmp_path / "x.yaml", None)
    assert find_card(None, tmp_path / "model.onnx") == {}


def test_the_card_beside_a_model_is_found(tmp_path):
    (tmp_path / "m.json").write_text('{"name": "json"}')
    assert find_card(None, tmp_path / "m.onnx") == {"name": "json"}
    (tmp_path / "m.yaml").write_text("name: yaml")
    assert find_card(None, tmp_path / "m.onnx") == {"name": "yaml"}
    assert find_card({"name": "given"}, tmp_path / "m.onnx") == {"name": "given"}
    assert find_card(str(tmp_path / "m.json"), None) == {"name": "json"}


def test_a_complete_card_says_what_is_not_known():
    card = complete_card({"name": "x", "mean": 0, "image_size": 64}, Preprocess(64, mean=0), 128)
    assert card["source"] == card["licence"] == card["training_data"] == "unknown"
    assert card["verification"] is None and "nbnet encoder test" in card["verification_missing"]
    assert card["input"]["range"] == [0, 2] and card["input"]["image_size"] == 64
    assert card["template_dim"] == 128 and card["framing"] == "synthfaces"
    assert "mean" not in card and "image_size" not in card  # said once, in the input
    measured = complete_card({**card, "verification": {"eer": 0.01}}, None, 128)
    assert "verification_missing" not in measured and measured["input"] == card["input"]
