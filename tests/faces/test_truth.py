"""Pictures of changed parameters, and the exact masks, depth, normals and landmarks."""

import numpy as np
import pytest

from nbnet_lib.faces import make_identity, make_sample, parameters_of, render, render_truth
from synthfaces import SynthFacesError
from synthfaces.truth import MASKS

# Everything that can be in a picture at once.
DRESSED = {
    "glasses": "square", "wears_glasses": True, "headwear": "cap", "foreground": True,
    "scarf": True, "zoom": -0.2, "hair_style": "long", "jaw_open": 0.6, "beard": "full",
    "yaw_deg": 12,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain():
    return render_truth(3, 0, 96, changes={"headwear": "none", "foreground": False})


@pytest.fixture(scope="module")
def dressed():
    return render_truth(3, 0, 96, changes=DRESSED)


def test_no_change_draws_the_picture_itself():
    picture = render(3, 0, 64)
    assert np.array_equal(render(3, 0, 64, changes={}), picture)
    yaw = make_sample(3, 0).yaw
    assert np.array_equal(render(3, 0, 64, changes={"yaw_deg": yaw}), picture)
    assert np.array_equal(render_truth(3, 0, 64).image, picture)


@pytest.mark.parametrize(
    "changes",
    [{"melanin": 0.95}, {"yaw_deg": 25}, {"shape/nose/nose-volume-incr": 3}, {"smile": 1}],
)
def test_a_change_changes_the_picture(changes):
    name, value = next(iter(changes.items()))
    less, more = render(3, 0, 64), render(3, 0, 64, changes=changes)
    assert (less != more).mean() > 0.02
    assert np.array_equal(more, render_truth(3, 0, 64, changes=changes).image)
    assert np.array_equal(render(3, 0, 64), less)  # the person in the cache is as it was


def test_parameters_of_a_picture():
    who, what = parameters_of(3, 0)
    assert who.shape is make_identity(3).shape and what.yaw == make_sample(3, 0).yaw
    who, what = parameters_of(3, 1, difficulty=2, changes={"melanin": 0.5, "blink": 0.1})
    assert who.melanin == 0.5 and what.actions["eyeBlinkLeft"] == 0.1 and what.difficulty == 2
    known = render_truth(3, 1, 32, difficulty=2, changes={"melanin": 0.5})
    assert known.identity.melanin == 0.5 and known.sample.difficulty == 2


def test_shapes_and_types(plain):
    assert plain.image.shape == (96, 96, 3) and plain.image.dtype == np.uint8
    assert plain.landmarks.shape == (5, 2) and plain.landmarks.dtype == np.float32
    assert plain.normals.shape == (96, 96, 3) and plain.normals.dtype == np.float32
    assert list(plain.masks) == list(MASKS)
    for array in (plain.depth, *plain.masks.values()):
        assert array.shape == (96, 96) and array.dtype == np.float32


def test_masks_are_shares_of_a_pixel(plain, dressed):
    for truth in (plain, dressed):
        assert all(-1e-6 <= m.min() and m.max() <= 1 + 1e-6 for m in truth.masks.values())
        assert np.allclose(sum(truth.masks.values()), 1, atol=1e-5)
    hidden = [name for name, mask in dressed.masks.items() if mask.max() < 0.5]
    assert not hidden
    assert plain.masks["headwear"].max() == plain.masks["foreground"].max() == 0


def test_masks_lie_where_the_landmarks_are(plain):
    mouth = plain.landmarks[3:].mean(0)
    x, y = np.floor(mouth).astype(int)
    assert plain.masks["mouth"][y - 2 : y + 3, x - 2 : x + 3].max() == 1
    for eye in plain.landmarks[:2]:
        x, y = np.floor(eye).astype(int)
        assert plain.masks["eyes"][y - 4 : y + 5, x - 4 : x + 5].max() > 0.9
    x, y = np.floor(plain.landmarks[2]).astype(int)
    assert plain.masks["skin"][y, x] == 1
    assert plain.landmarks[0, 0] < plain.landmarks[1, 0]  # the subject's right eye is on the left


def test_sunglasses_hide_the_eyes():
    truth = render_truth(3, 0, 64, changes={"sunglasses": True, "yaw_deg": 0, "pitch_deg": 0})
    assert truth.masks["eyes"].sum() < 1 < truth.masks["glasses"].sum()


def test_depth_is_nearest_at_the_nose(plain):
    person = plain.masks["background"] < 0.5
    assert np.isfinite(plain.depth[person]).all()
    assert np.isinf(plain.depth[plain.masks["background"] == 1]).all()
    x, y = np.floor(plain.landmarks[2]).astype(int)
    nose, ear = plain.depth[y, x], plain.depth[person].max()
    assert abs(nose - plain.sample.distance) < 2 and 0.5 < ear - nose < 4


def test_normals_are_unit_and_turn_with_the_picture(plain):
    length = np.linalg.norm(plain.normals, axis=2)
    assert np.all((np.abs(length - 1) < 1e-3) | (length == 0))
    skin = plain.masks["skin"] == 1
    assert plain.normals[skin][:, 2].min() > -0.3
    x, y = np.floor(plain.landmarks[2]).astype(int)
    side = {d: plain.normals[y, x + d] for d in (-5, 5)}
    assert side[-5][0] < 0 < side[5][0]  # left of the nose tip the surface faces left


def test_normals_turn_with_the_picture():
    """The camera's roll turns the picture; a mouth that faces right then faces down as well."""

    def facing(roll):
        truth = render_truth(3, 0, 128, changes={"roll_deg": roll, "yaw_deg": 30})
        x, y, _ = truth.normals[truth.masks["mouth"] == 1].mean(0)
        return np.degrees(np.arctan2(x, y))  # clockwise from up

    assert 27 < facing(15) - facing(-15) < 33


def test_depth_and_normals_agree(plain):
    """Where depth falls to the right the surface faces left, and the other way round."""
    smooth = plain.masks["skin"] == 1
    inside = smooth & np.roll(smooth, 1, 1) & np.roll(smooth, -1, 1)
    depth = np.where(smooth, plain.depth, 0)
    slope = (np.roll(depth, -1, 1) - np.roll(depth, 1, 1))[inside]
    faces = plain.normals[inside][:, 0]
    clear = np.abs(faces) > 0.3
    assert (np.sign(slope[clear]) == np.sign(faces[clear])).mean() > 0.95


def test_landmarks_follow_the_size():
    small, large = (render_truth(3, 0, size).landmarks for size in (48, 96))
    assert np.allclose(2 * small, large, atol=0.05)


def test_truth_is_saved_and_read(dressed, tmp_path):
    with np.load(dressed.save(tmp_path / "a.npz")) as stored:
        assert set(stored.files) == {
            "landmarks",
            "depth",
            "normals",
            *(f"mask_{name}" for name in MASKS),
        }
        assert np.array_equal(stored["depth"], dressed.depth)
        assert np.array_equal(stored["mask_skin"], dressed.masks["skin"])


@pytest.mark.parametrize("function", [render, render_truth])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1, 0), "identity is -1"),
        ((0, "a"), "sample is a: .* whole number"),
        ((0, 0, 5000), "size is 5000: .* 32 to 512"),
        ((0, 0, 64, 3), "difficulty is 3: .* 0.25"),
        ((0, 0, 64, float("nan")), "difficulty is nan"),
        ((0, 0, 64, 1, {"yaw_deg": 99}), "yaw_deg is 99: .* -40 to 40"),
    ],
)
def test_bad_input_is_named(function, arguments, words):
    with pytest.raises(SynthFacesError, match=words):
        function(*arguments)
