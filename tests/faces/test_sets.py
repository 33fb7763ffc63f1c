"""Sets, tables, splits and tensors."""

import numpy as np
import pytest
import torch

from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import (
    IDENTITY_COLUMNS,
    SAMPLE_COLUMNS,
    check_images,
    render,
    render_set,
    require_evaluation,
    require_training,
    resize,
    sets,
    table,
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

    monkeypatch.setattr(sets, "_draw_block", fail)
    assert np.array_equal(render_set([3, 8], 2, 64, progress=False).images, first.images)


def test_a_truncated_block_is_drawn_anew(cache):
    first = render_set([3], 2, 64, progress=False)
    (file,) = cache.rglob("*.npy")
    file.write_bytes(file.read_bytes()[:200])
    assert np.array_equal(render_set([3], 2, 64, progress=False).images, first.images)
    assert np.array_equal(np.load(file), first.images)


def test_processes_draw_what_one_process_draws(cache):
    people = list(range(10_000, 10_022))  # three blocks
    parallel = render_set(people, 1, 32, workers=2, cache=False, progress=False)
    assert np.array_equal(parallel.images[21], render(10_021, 0, 32))


def test_an_unwritable_cache_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NBNET_CACHE", str(tmp_path / "file"))
    with pytest.raises(NbnetError, match="cannot write"):
        render_set([3], 1, 32, progress=False)


def test_empty_sets_are_refused():
    with pytest.raises(NbnetError, match="at least one"):
        render_set([], 2)
    with pytest.raises(NbnetError, match="at least one"):
        render_set([1], 0)


def test_tables_hold_every_documented_column():
    people = table(range(4))
    assert list(people.columns) == ["identity", *IDENTITY_COLUMNS]
    pictures = table([5, 6], samples=3)
    assert list(pictures.columns) == ["identity", *IDENTITY_COLUMNS, "sample", *SAMPLE_COLUMNS]
    assert len(pictures) == 6
    assert pictures.groupby("identity")["age_years"].nunique().eq(1).all()


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
