"""What a recogniser looks at, measured on recognisers of which it is known."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from nbnet_lib.encoders import Encoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import ProfileOptions, open_protocol, profile_encoder, profile_plot
from nbnet_lib.evaluate.conditions import change_pixels, conditions, draw_changed
from nbnet_lib.evaluate.invariance import compare_with_gallery, differences, weigh
from nbnet_lib.evaluate.verification import threshold_at_far
from nbnet_lib.faces import render
from nbnet_lib.faces.framing import FRAMINGS
from nbnet_lib.faces.transforms import LUMA
from synthfaces import make_identity, parameters_of

SIZE, PEOPLE = 32, 14
OPTIONS = ProfileOptions(PEOPLE, fars=(0.1, 0.02), resamples=60)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def recogniser(name, network, channels):
    return Encoder(name, network, SIZE, 64 * channels, {})


def colours(images):
    """Where which colour is: of 8 x 8 fields, against the brightness of each."""
    fields = torch.nn.functional.avg_pool2d(images, SIZE // 8)
    return (fields - fields.mean(1, keepdim=True)).flatten(1) + 1e-4


def brightness(images):
    """Where it is bright: of 8 x 8 fields, against their mean."""
    luma = (images * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    fields = torch.nn.functional.avg_pool2d(luma, SIZE // 8).flatten(1)
    return fields - fields.mean(1, keepdim=True)


@pytest.fixture(scope="module")
def profile():
    others = {"brightness": recogniser("brightness", brightness, 1)}
    return profile_encoder(recogniser("colours", colours, 3), others, OPTIONS)


def test_what_looks_at_colours_is_called_a_colour_matcher(profile):
    assert profile["grey"].kept[0.02].value < 0.5
    (warning,) = profile.warnings
    assert "colour matcher" in warning


def test_what_looks_at_brightness_loses_nothing_on_grey(profile):
    other = profile.beside["brightness"]
    assert other.warnings == []
    kept = other["grey"].kept[0.02]
    assert (kept.value, kept.low, kept.high) == (1, 1, 1)
    assert other["grey"].far[0.02].value == pytest.approx(other["plain"].far[0.02].value, abs=0.006)


def test_a_profile_says_what_it_is_of(profile):
    names = [row.name for row in profile.rates]
    assert names == ["plain", *(condition.name for condition in conditions())]
    assert (profile.people, profile.pictures) == (PEOPLE, 2 * PEOPLE + 15 * PEOPLE)
    kept = json.loads(json.dumps(profile.to_dict(), allow_nan=False))
    assert kept["rates"][1]["tar"]["0.02"]["value"] == profile["grey"].tar[0.02].value
    assert kept["beside"]["brightness"]["encoder"] == "brightness"
    frame = profile.to_frame()
    assert frame.loc["grey", "TAR"] == profile["grey"].tar[0.02].value
    assert frame.loc["grey", "TAR of brightness"] == frame.loc["plain", "TAR of brightness"]
    assert {(g.by, g.name) for g in profile.groups} <= {
        (by, name) for by in ("ancestry", "sex", "age") for name in ("plain", "grey")
    }
    for row in profile.rates:
        for rates in (row.tar, row.far):
            for estimate in rates.values():
                assert estimate.low is None or estimate.low <= estimate.value <= estimate.high


def test_rates_are_those_of_all_comparisons_one_by_one():
    encoder = recogniser("brightness", brightness, 1)
    profile = profile_encoder(encoder, options=OPTIONS)
    pictures = [[render(who, k, SIZE) for k in (0, 1)] for who in range(PEOPLE)]
    plain = encoder.embed(np.array(pictures).reshape(-1, SIZE, SIZE, 3)).numpy()
    turned = [render(w, 0, SIZE, changes=pose(w)) for w in range(PEOPLE)]
    changed = encoder.embed(np.array(turned)).numpy()
    who = np.repeat(np.arange(PEOPLE), 2)
    impostor = [plain[i] @ plain[j] for i in range(len(who)) for j in range(i) if who[i] != who[j]]
    for far in OPTIONS.fars:
        limit = threshold_at_far(np.array(impostor), far)
        assert profile.thresholds[far] == pytest.approx(limit, abs=1e-6)
        genuine = [changed[w] @ plain[2 * w + 1] > limit for w in range(PEOPLE)]
        false = [
            changed[w] @ plain[2 * v + 1] > limit
            for w in range(PEOPLE) for v in range(PEOPLE) if v != w
        ]  # fmt: skip
        assert profile["pose"].tar[far].value == pytest.approx(np.mean(genuine))
        assert profile["pose"].far[far].value == pytest.approx(np.mean(false))


def pose(who):
    (condition,) = [c for c in conditions() if c.name == "pose"]
    return condition.scene(*parameters_of(who, 0))


def test_a_gallery_is_compared_with_everybody():
    rng = np.random.default_rng(0)
    probes, gallery = (rng.normal(size=(n, 4)).astype(np.float32) for n in (3, 5))
    owners, whose = np.array([7, 8, 9]), np.array([9, 7, 7, 3, 8])
    genuine, impostor = compare_with_gallery(probes, owners, gallery, whose)
    assert sorted(genuine.first.tolist()) == [7, 7, 8, 9]
    assert np.array_equal(genuine.first, genuine.second)
    assert len(impostor) == 11 and (impostor.first != impostor.second).all()


def test_one_recogniser_agrees_with_itself_and_is_not_put_beside_itself(profile):
    encoder = recogniser("a", brightness, 1)
    found = profile_encoder(encoder, {"b": recogniser("b", brightness, 1)}, OPTIONS)
    same = found.agreement["b"]
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1))
    other = profile.agreement["brightness"]
    assert -1 < other.low < other.value < other.high < 1
    with pytest.raises(NbnetError, match="beside"):
        profile_encoder(encoder, {"a": encoder}, OPTIONS)


@pytest.mark.parametrize(("people", "samples"), [(5, 2), (PEOPLE, 1)])
def test_too_few_are_refused(people, samples):
    with pytest.raises(NbnetError, match="10 people"):
        ProfileOptions(people, samples=samples)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    for who in range(11):
        (root / str(who)).mkdir()
        face = rng.integers(0, 256, (8, 8, 3))
        for k in range(2):
            picture = np.clip(face + rng.integers(-9, 10, face.shape), 0, 255).astype(np.uint8)
            Image.fromarray(picture).resize((40, 40)).save(root / str(who) / f"{k}.png")
    return root


def test_of_pictures_without_truth_the_pixels_are_changed(folder):
    protocol = open_protocol("folder", folder)
    encoder = recogniser("brightness", brightness, 1)
    profile = profile_encoder(encoder, None, OPTIONS, protocol)
    assert [row.name for row in profile.rates][-2:] == ["mirror", "oval cut"]
    assert profile.groups == [] and profile.weights is None
    assert any("not drawn" in note for note in profile.notes)
    assert profile["plain"].tar[0.1].value == 1
    assert len(profile_plot(profile).axes) == 2
    plt.close("all")


def test_the_figure_shows_the_rates(profile):
    left, middle, right = profile_plot(profile).axes
    widths = [bar.get_width() for bar in left.patches]
    assert widths[:16] == [row.tar[0.02].value for row in profile.rates]
    assert [text.get_text() for text in left.get_yticklabels()][:2] == ["plain", "grey"]
    assert middle.get_xscale() == "log" and "FAR" in middle.get_xlabel()
    lowest = next(iter(profile.weights.weights.values())).value
    assert right.patches[0].get_width() == lowest < 0
    plt.close("all")


# What is changed -------------------------------------------------------------------------


def of_name(name, framing=None):
    (condition,) = [c for c in conditions(framing) if c.name == name]
    return condition


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", [c.name for c in conditions() if c.pixels is not None])
def test_pixels_are_changed_and_again_alike(images, name):
    before = images.copy()
    changed = change_pixels(images, of_name(name), seed=3)
    assert changed.dtype == np.uint8 and changed.shape == images.shape
    assert (changed != images).any()
    assert np.array_equal(changed, change_pixels(images, of_name(name), seed=3))
    assert np.array_equal(images, before)


def test_each_change_of_pixels_does_what_it_says(images):
    grey = change_pixels(images, of_name("grey"), 0)
    assert np.ptp(grey, axis=3).max() == 0
    np.testing.assert_allclose(grey[..., 0], images @ np.array(LUMA), atol=1)
    assert np.array_equal(change_pixels(images, of_name("mirror"), 0), images[:, :, ::-1])
    flat = np.full_like(images, 100)
    for name in ("grey", "blur", "JPEG", "half size", "mirror"):
        assert np.abs(change_pixels(flat, of_name(name), 0).astype(int) - 100).max() <= 1, name
    tinted = change_pixels(flat, of_name("tint"), 0)
    assert 75 <= tinted.min() < tinted.max() <= 125
    assert np.ptp(tinted, axis=(1, 2)).max() == 0  # one factor for a channel of a picture
    noisy = change_pixels(flat, of_name("noise"), 0)
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.05)
    ends = np.array([0, 255], np.uint8).repeat(64 * 32 * 3).reshape(1, 64, 64, 3)
    assert np.array_equal(change_pixels(ends, of_name("gamma"), 0), ends)


def test_the_oval_is_where_the_face_is(images):
    cut = change_pixels(images, of_name("oval cut"), 0)
    corners = cut[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert ((corners == 127) | (corners == 128)).all()
    assert np.array_equal(cut[:, 20:48, 22:42], images[:, 20:48, 22:42])
    # dlib's framing shows the face larger: more of the picture is kept.
    larger = change_pixels(images, of_name("oval cut", FRAMINGS["dlib"]), 0)
    assert (larger == images).mean() > (cut == images).mean()


def test_one_parameter_of_the_scene_is_changed():
    wanted = {
        "glasses": {"glasses", "wears_glasses", "sunglasses"},
        "hair style": {"hair_style", "hair_state"},
        "hair colour": {"hair_color", "greyness"},
        "age": {"age_years"},
        "pose": {"yaw_deg"},
        "light": {"light_azimuth_deg"},
    }
    scene = [c for c in conditions() if c.scene is not None]
    assert {c.name for c in scene} == wanted.keys()
    for number in range(40):
        who, what = parameters_of(number, 0)
        for condition in scene:
            changes = condition.scene(who, what)
            assert changes.keys() == wanted[condition.name]
            other, shot = parameters_of(number, 0, changes=changes)  # the renderer allows them
            if condition.name == "glasses":
                assert shot.wears_glasses != what.wears_glasses
            elif condition.name == "age":
                assert abs(other.age_years - who.age_years) == pytest.approx(20)
            elif condition.name == "hair style":
                assert other.hair_style != who.hair_style
            elif condition.name == "hair colour":
                assert abs(other.hair_rgb.sum() - who.hair_rgb.sum()) > 0.05
            elif condition.name == "pose":
                assert abs(shot.yaw) == 30
            else:
                assert abs(shot.light_azimuth - what.light_azimuth) >= 80


def test_changed_pictures_are_the_renderers():
    scene = [of_name("pose").scene, of_name("age").scene]
    drawn = draw_changed(np.array([3, 5]), np.array([0, 1]), SIZE, scene)
    assert drawn.shape == (2, 2, SIZE, SIZE, 3)
    changes = scene[1](*parameters_of(5, 1))
    assert np.array_equal(drawn[1, 1], render(5, 1, SIZE, changes=changes))


# What is weighed -------------------------------------------------------------------------


def test_differences_are_those_of_the_parameters():
    people = np.array([2, 9, 14, 20, 31])
    apart = differences(people)
    assert len(apart) == 10 and not [name for name in apart if name.endswith("seed")]
    one, other = make_identity(2), make_identity(9)
    assert apart["age_years"][0] == pytest.approx(abs(one.age_years - other.age_years))
    (sex,) = [name for name in apart if name.startswith("gender=")]
    assert apart[sex][0] == (one.gender != other.gender)
    style = f"hair_style={one.hair_style}"
    assert apart[style][0] == (one.hair_style != other.hair_style)
    assert (apart.std() > 0).all()


@pytest.fixture(scope="module")
def strangers():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 8))
    first, second = np.triu_indices(60, 1)
    apart = pd.DataFrame(np.abs(values[first] - values[second]), columns=list("abcdefgh"))
    return first, second, apart


def test_what_a_score_is_made_of_is_found(strangers):
    first, second, apart = strangers
    noise = np.random.default_rng(1).normal(size=len(apart))
    scores = -2 * apart["c"] - apart["f"] + 0.5 * noise
    found = weigh(scores.to_numpy(), first, second, apart)
    assert list(found.weights)[:2] == ["c", "f"]
    assert found.weights["c"].value == pytest.approx(2 * found.weights["f"].value, rel=0.2)
    assert found.weights["c"].high < 0 < found.weights["a"].high
    explained = np.var(-2 * apart["c"] - apart["f"]) / np.var(scores)
    assert found.r2 == pytest.approx(explained, abs=0.1)
    assert (found.people, found.pairs) == (60, len(apart))


def test_nobody_is_on_both_sides_of_a_fold(strangers):
    """Scores that hang on who it is, and on no parameter: with people on both sides, what was
    learnt of a person would help."""
    first, second, _ = strangers
    of_person = np.random.default_rng(2).normal(size=60)
    known = pd.DataFrame({str(k): ((first == k) | (second == k)) * 1.0 for k in range(60)})
    found = weigh(of_person[first] + of_person[second], first, second, known)
    assert found.r2 < 0.05
