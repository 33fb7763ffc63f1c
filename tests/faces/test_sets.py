"""Sets in memory, splits and tensors; the store on disk is tested in test_dataset.py."""

import numpy as np
import pytest
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import (
    check_images,
    drawing,
    render,
    render_set,
    require_evaluation,
    require_training,
    resize,
    to_tensor,
    to_uint8,
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path))
    return tmp_path


def test_a_set_is_what_render_draws_person_by_person(cache):
    faces = render_set([3, 8], 2, 64, progress=False)
    assert faces.images.shape == (4, 64, 64, 3)
    assert faces.identities.tolist() == [3, 3, 8, 8]
    assert faces.samples.tolist() == [0, 1, 0, 1]
    assert np.array_equal(faces.images[3], render(8, 1, 64))


def test_a_second_call_reads_and_does_not_draw(cache, monkeypatch):
    first = render_set([3, 8], 2, 64, progress=False)

    def fail(*_):
        raise AssertionError("drew again")

    monkeypatch.setattr(drawing.Recipe, "draw", fail)
    assert np.array_equal(render_set([3, 8], 2, 64, progress=False).images, first.images)
    turned = render_set([8, 3, 8], 2, 64, progress=False)  # any order, and twice if asked for
    assert turned.identities.tolist() == [8, 8, 3, 3, 8, 8]
    assert np.array_equal(turned.images, first.images[[2, 3, 0, 1, 2, 3]])


def test_threads_draw_what_one_thread_draws():
    people = range(10_007, 10_013)  # parts of two blocks
    alone = render_set(people, 1, 32, workers=1, cache=False, progress=False)
    together = render_set(people, 1, 32, workers=3, cache=False, progress=False)
    assert np.array_equal(alone.images, together.images)
    assert np.array_equal(alone.images[5], render(10_012, 0, 32))


def test_difficulty_changes_pictures_and_their_place_on_disk(cache):
    plain = render_set([3], 1, 32, progress=False)
    hard = render_set([3], 1, 32, difficulty=2.0, progress=False)
    assert not np.array_equal(plain.images, hard.images)
    assert np.array_equal(render_set([3], 1, 32, progress=False).images, plain.images)
    assert np.array_equal(hard.images[0], render(3, 0, 32, difficulty=2.0))


def test_an_unwritable_cache_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path / "file"))
    with pytest.raises(NbnetError, match="cannot write"):
        render_set([3], 1, 32, progress=False)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (dict(identities=[]), "at least one identity"),
        (dict(samples=0), "at least one sample"),
        (dict(samples=-3), "at least one sample"),
        (dict(samples=[-1]), "sample is -1"),
        (dict(identities=[4, -2]), "identity is -2"),
        (dict(identities=[1.5]), "identity numbers are float64"),
        (dict(identities=[1 << 63]), "below 2\\^62"),
        (dict(identities=[1 << 70]), "below 2\\^62"),
        (dict(identities=5), "identity numbers are 5: expected several, such as range"),
        (dict(samples=2.0), "sample numbers are 2.0"),
        (dict(size=0), "size is 0: expected whole pixels from 32 to 512"),
        (dict(size=5000), "size is 5000"),
        (dict(difficulty=9.0), "difficulty is 9"),
        (dict(difficulty="hard"), "difficulty is hard: expected 0.25"),
        (dict(workers=0), "workers is 0"),
    ],
)
def test_bad_requests_are_refused(asked, said):
    with pytest.raises(NbnetError, match=said):
        render_set(**(dict(identities=[1], samples=1, size=32) | asked))


def test_training_and_evaluation_identities_do_not_mix():
    require_training([10_000, 20_000])
    require_evaluation(np.arange(10_000))
    with pytest.raises(NbnetError, match="9999 is kept for evaluation"):
        require_training([10_000, 9_999])
    with pytest.raises(NbnetError, match="10000 is not for evaluation"):
        require_evaluation([10_000])
    with pytest.raises(NbnetError, match="no identities"):
        require_training([])


def test_bytes_to_tensor_and_back_is_exact():
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    tensor = to_tensor(images)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (2, 3, 40, 40)
    assert -1 <= tensor.min() and tensor.max() <= 1
    assert np.array_equal(to_uint8(tensor), images)


@pytest.mark.parametrize(
    "images, word",
    [
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "uint8"),
        (torch.zeros(1, 1, 64, 64), "shape"),
        (torch.zeros(1, 3, 32, 32), "32x32"),
        (torch.full((1, 3, 64, 64), 200.0), "200"),
        (torch.full((1, 3, 64, 64), float("nan")), "NaN"),
    ],
)
def test_wrong_images_are_named(images, word):
    with pytest.raises(NbnetError, match=word):
        check_images(images, 64)


def test_wrong_bytes_are_named():
    with pytest.raises(NbnetError, match="float64"):
        to_tensor(np.zeros((1, 64, 64, 3)))
    with pytest.raises(NbnetError, match="NaN"):
        to_uint8(torch.full((1, 3, 4, 4), float("nan")))


def test_resize_keeps_range_and_mean():
    images = torch.rand(2, 3, 160, 160) * 2 - 1
    small = resize(images, 64)
    assert small.shape == (2, 3, 64, 64)
    assert abs(small.mean() - images.mean()) < 0.01
    assert resize(images, 160) is images


def test_portraits_differ_by_the_person_only(cache):
    portraits = render_set([3, 8, 3], "portrait", 64, progress=False)
    assert portraits.images.shape == (3, 64, 64, 3)
    assert portraits.samples.tolist() == [-1, -1, -1]
    assert np.array_equal(portraits.images[0], portraits.images[2])
    # The background is the same; the faces are not.
    corners = portraits.images[:2, :4, :4].astype(int)
    assert np.abs(corners[0] - corners[1]).max() <= 2
    face = portraits.images[:2, 24:48, 16:48].astype(int)
    assert np.abs(face[0] - face[1]).mean() > 5
    # They are kept apart from the drawn pictures of the same people.
    assert not np.array_equal(portraits.images[0], render_set([3], 1, 64, progress=False).images[0])


def test_a_portrait_is_frontal_and_about_symmetric(cache):
    picture = render_set([20_010], "portrait", 64, progress=False).images[0].astype(float)
    drawn = render_set([20_010], [0], 64, progress=False).images[0].astype(float)

    def unlikeness(image):
        return np.abs(image[16:56] - image[16:56, ::-1]).mean()

    assert unlikeness(picture) < unlikeness(drawn)


def test_only_one_word_is_known_for_samples():
    with pytest.raises(NbnetError, match="samples are 'portraits': give a number"):
        render_set([3], "portraits", 64)
