"""What `embed` does before the network: framings, detection, and variants of the preprocessing."""

import numpy as np
import pytest
import torch

from nbnet_lib.encoders import Encoder, Preprocess, create_encoder
from nbnet_lib.encoders.cutter import DetectingCutter
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set, to_tensor
from nbnet_lib.faces.framing import FRAMINGS, find_framing, reframe

SYNTHFACES, ARCFACE = FRAMINGS["synthfaces"], FRAMINGS["arcface"]


@pytest.fixture(scope="module")
def encoder():
    return create_encoder("synth")


@pytest.fixture(scope="module")
def large():
    return render_set(range(12), 2, 160, progress=False)


def mean_cosine(one, other):
    return float((one * other).sum(1).mean())


def test_pictures_of_another_framing_are_brought_back(encoder, large):
    own = encoder.embed(large.images)
    moved = reframe(to_tensor(large.images), SYNTHFACES, ARCFACE, 160)
    assert mean_cosine(own, encoder.embed(moved, framing=ARCFACE)) > 0.94
    assert mean_cosine(own, encoder.embed(moved)) < 0.9  # and nobody says so


def test_ones_own_framing_changes_no_bit(encoder, large):
    plain = encoder.embed(large.images)
    moved, n_attempted, n_detected = encoder.embed_counted(large.images, framing=SYNTHFACES)
    assert torch.equal(plain, moved)
    assert encoder.framing == SYNTHFACES and n_attempted == n_detected == 0


def test_pictures_that_are_not_square_cannot_change_their_framing(encoder):
    wide = torch.zeros(1, 3, 64, 96)
    with pytest.raises(NbnetError, match="96x64 pixels: a framing needs squares"):
        encoder.embed(wide, framing=ARCFACE)
    assert encoder.embed(wide, framing=SYNTHFACES).shape == (1, 128)


def test_a_detector_finds_faces_of_unknown_framing(encoder, large):
    own = encoder.embed(large.images)
    wide = np.pad(large.images, ((0, 0), (10, 60), (70, 20), (0, 0)), constant_values=100)
    looking = encoder.with_preprocess(alignment="detect")
    found, *counts = looking.embed_counted(wide, batch_size=7)
    assert counts == [24, 24]
    assert mean_cosine(own, found) > 0.94
    assert mean_cosine(own, encoder.embed(wide)) < 0.5


def test_faces_that_fill_the_picture_are_placed_as_well(encoder, large):
    """Without a margin around the picture the mean is 0.87, and the worst template 0.44."""
    tight = reframe(to_tensor(large.images), SYNTHFACES, ARCFACE, 112)
    looking = encoder.with_preprocess(alignment="detect")
    found, *counts = looking.embed_counted(tight)
    cosines = (found * encoder.embed(large.images)).sum(1)
    assert counts == [24, 24]
    assert cosines.mean() > 0.91 and cosines.min() > 0.6


def test_pictures_without_a_face_are_moved_by_the_fixed_transform_and_counted(encoder, large):
    noise = np.random.default_rng(1).integers(0, 256, (1, 160, 160, 3), np.uint8)
    pictures = np.concatenate([large.images[:2], noise, large.images[2:3]])
    looking = encoder.with_preprocess(alignment="detect")
    templates, *counts = looking.embed_counted(pictures, framing=ARCFACE)
    assert counts == [4, 3]
    plain = encoder.embed(pictures, framing=ARCFACE)
    same = (templates == plain).all(1)
    assert same.tolist() == [False, False, True, False]


def test_what_was_cut_out_for_the_encoder_is_not_searched_again(encoder, large):
    """`nbnet data align` left no room around those faces; a second search places points worse."""
    looking = encoder.with_preprocess(alignment="detect")
    moved, n_attempted, _ = looking.embed_counted(large.images, framing=SYNTHFACES)
    assert torch.equal(moved, encoder.embed(large.images)) and n_attempted == 0
    assert looking.embed_counted(large.images, framing=ARCFACE).n_attempted == len(large.images)


def test_a_recogniser_brings_its_own_detector():
    def cutter(pictures):
        return [None if p.max() == 0 else p[:32, :32].copy() for p in pictures]

    def network(x):
        return x.flatten(1)[:, :32] + 2

    encoder = Encoder("own", network, 32, 32, {}, alignment="detect", cutter=cutter)
    pictures = np.random.default_rng(0).integers(1, 256, (3, 64, 64, 3), np.uint8)
    pictures[1] = 0
    templates, *counts = encoder.embed_counted(pictures)
    assert counts == [3, 2]
    expected = encoder(to_tensor(pictures[[0, 2], :32, :32]))
    assert torch.equal(templates[[0, 2]], expected)


@pytest.mark.parametrize(
    "change",
    [{"channels": "bgr"}, {"mean": 0, "std": 255}, {"framing": "arcface"}],
)
def test_a_variant_sees_other_inputs_and_leaves_the_original_alone(encoder, large, change):
    before = encoder.embed(large.images)
    variant = encoder.with_preprocess(**change)
    other = variant.embed(large.images, framing=SYNTHFACES)
    assert mean_cosine(before, other) < 0.999
    assert torch.equal(encoder.embed(large.images), before)
    key, value = next(iter(change.items()))
    reported = variant.card["framing"] if key == "framing" else variant.card["input"][key]
    assert reported == value or reported == [value] * 3
    assert encoder.card["input"]["channels"] == "rgb" and encoder.card["framing"] == "synthfaces"


def test_a_variant_takes_its_framing_from_the_change(encoder, large):
    variant = encoder.with_preprocess(framing="arcface")
    assert variant.framing == ARCFACE
    arcface = reframe(to_tensor(large.images), SYNTHFACES, ARCFACE, 64)
    torch.testing.assert_close(
        variant.embed(large.images, framing=SYNTHFACES), encoder(arcface), atol=1e-5, rtol=0
    )


def test_a_variant_of_another_framing_detects_for_that_one(encoder, large):
    looking = encoder.with_preprocess(alignment="detect")
    looking.embed(large.images[:2])  # its detector is there now, and cuts as SynthFaces are
    variant = looking.with_preprocess(framing="arcface")
    cuts = DetectingCutter(64, ARCFACE)(large.images[:2])
    expected = encoder(to_tensor(np.stack(cuts)))
    torch.testing.assert_close(variant.embed(large.images[:2]), expected, atol=1e-5, rtol=0)


def test_what_cannot_be_changed_is_said(encoder):
    with pytest.raises(NbnetError, match="no size, color to change: .*framing"):
        encoder.with_preprocess(size=112, color="bgr")
    fixed = Encoder("dlib", lambda x: x.flatten(1), 32, 3072, {}, framing="dlib")
    with pytest.raises(NbnetError, match="encoder dlib has no channels"):
        fixed.with_preprocess(channels="bgr")
    assert fixed.with_preprocess(alignment="detect").alignment == "detect"
    assert fixed.framing == find_framing("dlib")


def test_wrong_settings_are_named():
    with pytest.raises(NbnetError, match="alignment is 'mtcnn'"):
        create_encoder("synth", alignment="mtcnn")
    with pytest.raises(NbnetError, match="alignment is 'mtcnn'"):
        Encoder("x", lambda x: x, 32, 16, {}, alignment="mtcnn")
    with pytest.raises(NbnetError, match="image size 32 but its preprocessing makes 64"):
        Encoder("x", lambda x: x, 32, 16, {}, preprocess=Preprocess(64))


@pytest.mark.parametrize(
    "answer, words",
    [
        (torch.zeros(2, 16), "picture 0 of a batch of 2 a template of zeros, NaN"),
        (torch.tensor([[1.0] * 16, [float("nan")] * 16]), "picture 1 of a batch of 2"),
        (torch.ones(2, 17), r"with \[2, 17\]: expected \[2, 16\]"),
        (torch.ones(1, 16), r"with \[1, 16\]: expected \[2, 16\]"),
    ],
)
def test_a_network_that_stops_giving_templates_is_reported(answer, words):
    encoder = Encoder("odd", lambda _: answer, 32, 16, {})
    with pytest.raises(NbnetError, match=words):
        encoder(torch.zeros(2, 3, 32, 32))
