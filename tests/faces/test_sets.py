"""Sets of faces: arrays in memory, a torch data set, and the blocks on disk behind both."""

import errno
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import torch
from joblib.externals import loky
from torch.utils.data import DataLoader

from nbnet_lib import files, parallel
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import SynthFaces, blocks, render, render_set, to_tensor
from synthfaces import Recipe

SIZE = 32


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

    monkeypatch.setattr(Recipe, "draw", fail)
    assert np.array_equal(render_set([3, 8], 2, 64, progress=False).images, first.images)
    turned = render_set([8, 3, 8], 2, 64, progress=False)  # any order, and twice if asked for
    assert turned.identities.tolist() == [8, 8, 3, 3, 8, 8]
    assert np.array_equal(turned.images, first.images[[2, 3, 0, 1, 2, 3]])


@pytest.mark.parametrize("few", [0, 10**9])
def test_processes_and_threads_draw_what_one_thread_draws(monkeypatch, few):
    monkeypatch.setattr(parallel, "FEW", few)
    people = range(10_007, 10_013)  # parts of two blocks
    alone = render_set(people, 1, SIZE, workers=1, cache=False, progress=False)
    try:
        together = render_set(people, 1, SIZE, workers=2, cache=False, progress=False)
    finally:
        loky.get_reusable_executor(reuse=True).shutdown(wait=True)
    assert np.array_equal(alone.images, together.images)
    assert np.array_equal(alone.images[5], render(10_012, 0, SIZE))


def test_difficulty_changes_pictures_and_their_place_on_disk(cache):
    plain = render_set([3], 1, 32, progress=False)
    hard = render_set([3], 1, 32, difficulty=2.0, progress=False)
    assert not np.array_equal(plain.images, hard.images)
    assert np.array_equal(render_set([3], 1, 32, progress=False).images, plain.images)
    assert np.array_equal(hard.images[0], render(3, 0, 32, difficulty=2.0))


@pytest.mark.parametrize("threads", [True, False])
def test_results_come_in_order_and_an_error_ends_it(threads):
    assert list(parallel.in_parallel(abs, range(-50, 0), 2, threads)) == list(range(50, 0, -1))
    with pytest.raises(TypeError, match="abs"):
        list(parallel.in_parallel(abs, ["x", *range(1000)], 2, threads))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a Unix thing")
def test_processes_end_after_a_killed_parent():
    code = """
from nbnet_lib import parallel
from synthfaces import Recipe
for _ in parallel.in_parallel(Recipe(1, 32).draw, range(100_000), 2):
    pass
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        children: list[psutil.Process] = []
        while len(children) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
            children = psutil.Process(parent.pid).children(recursive=True)
        time.sleep(2)  # let them begin to draw
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (dict(identities=[]), "at least one identity"),
        (dict(samples=-3), "at least one sample"),
        (dict(identities=[4, -2]), "identity is -2"),
        (dict(size=0), "size is 0"),
        (dict(difficulty="hard"), "difficulty is hard"),
        (dict(workers=0), "workers is 0"),
        (dict(samples="portraits"), "samples are 'portraits'"),
    ],
)
def test_bad_requests_are_refused(asked, said):
    with pytest.raises(ValueError, match=said):
        render_set(**(dict(identities=[1], samples=1, size=32) | asked))


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


def faces(folder, identities=range(12), samples=1, **options) -> SynthFaces:
    return SynthFaces(identities, samples, SIZE, cache=folder, progress=False, **options)


def block_files(folder):
    return sorted(folder.rglob("*.block"))


def leftovers(folder):
    """Everything but blocks and locks."""
    return [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".block", ".lock")]


def test_an_item_is_a_tensor_and_its_labels(tmp_path):
    data = faces(tmp_path, [7, 3], [0, 2])
    assert len(data) == 4
    image, identity, sample = data[1]
    assert (identity, sample) == (7, 2)
    assert image.dtype == torch.float32 and image.shape == (3, SIZE, SIZE)
    assert torch.equal(image, to_tensor(render(7, 2, SIZE))[0])
    assert [item[1:] for item in data] == [(7, 0), (7, 2), (3, 0), (3, 2)]
    turned = faces(tmp_path, [7, 3], [0, 2], transform=lambda x: x.flip(-1))
    assert torch.equal(turned[1][0], image.flip(-1))


def test_without_a_cache_nothing_is_written(cache):
    data = SynthFaces([5], 2, SIZE, cache=False)
    assert torch.equal(data[1][0], to_tensor(render(5, 1, SIZE))[0])
    assert not any(cache.iterdir())
    with pytest.raises(NbnetError, match="without a cache"):
        data.build()


def test_an_index_names_a_picture(tmp_path):
    data = faces(tmp_path, [40, 2, 999_999], [5, 0, 3])
    assert data.locate(0) == (40, 5) and data.locate(-1) == (999_999, 3)
    for wrong in (len(data), -len(data) - 1):
        with pytest.raises(IndexError):
            data[wrong]


def test_an_identity_named_twice_is_refused(tmp_path):
    with pytest.raises(NbnetError, match="named twice"):
        faces(tmp_path, [4, 4])


def test_a_part_of_a_million_is_drawn_alone(tmp_path, count):
    data = faces(tmp_path, range(10_000, 1_010_000))
    assert len(data) == 1_000_000
    assert data[-1][1] == 1_009_999
    assert sorted(count) == list(range(1_009_990, 1_010_000))  # its block
    assert len(block_files(tmp_path)) == 1


def test_overlapping_sets_share_blocks(tmp_path, count):
    faces(tmp_path, range(30)).build()
    count.clear()
    faces(tmp_path, range(10, 40)).build()
    assert count == list(range(30, 40))
    count.clear()
    assert faces(tmp_path, [23, 5])[0][1] == 23  # parts of blocks that are there
    assert count == []
    render_set([3, 35], 1, SIZE, cache=tmp_path, progress=False)  # the other view of the same
    assert count == []
    faces(tmp_path, [47, 41]).build()
    assert sorted(count) == [41, 47]  # a part of a block: nobody else is drawn
    faces(tmp_path, [41, 47], difficulty=0.5).build()
    assert sorted(count) == [41, 41, 47, 47]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
        lambda data: data + b"more",
    ],
)
def test_a_damaged_block_is_drawn_anew(tmp_path, count, damage):
    faces(tmp_path, range(20)).build()
    first, second = block_files(tmp_path)
    good, stamp = first.read_bytes(), second.stat().st_mtime_ns
    first.write_bytes(damage(good))
    count.clear()
    data = faces(tmp_path, range(20)).build()
    assert count == list(range(10))
    assert first.read_bytes() == good and second.stat().st_mtime_ns == stamp
    assert data.pixels(5)[0, 0].tolist() == [5, 5, 5]


def test_a_block_in_the_wrong_place_is_found(tmp_path, count):
    faces(tmp_path, range(20)).build()
    first, second = block_files(tmp_path)
    first.write_bytes(second.read_bytes())
    assert faces(tmp_path, range(20)).pixels(0)[0, 0, 0] == 0


CHILD = """
import sys
from nbnet_lib.faces import render_set
print("ready", flush=True)
sys.stdin.readline()
render_set(range({first}, {last}), 1, 32, cache={folder!r}, progress=False)
"""


def start(folder, first, last) -> subprocess.Popen:
    code = CHILD.format(folder=str(folder), first=first, last=last)
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    return child


def go(child: subprocess.Popen) -> None:
    child.stdout.readline()
    child.stdin.write("\n")
    child.stdin.flush()


def test_two_processes_build_one_set(tmp_path):
    children = [start(tmp_path, 0, 30), start(tmp_path, 10, 40)]
    for child in children:
        go(child)
    for child in children:
        assert child.wait(120) == 0
    assert [p.name for p in block_files(tmp_path)] == [f"{i:07d}.block" for i in (0, 10, 20, 30)]
    assert not leftovers(tmp_path)
    assert np.array_equal(faces(tmp_path, range(40)).pixels(29), render(29, 0, SIZE))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a Unix thing")
def test_a_killed_build_resumes_where_it_stopped(tmp_path, monkeypatch):
    child = start(tmp_path, 0, 400)
    go(child)
    deadline = time.monotonic() + 60
    while not block_files(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    finished = {p: p.stat().st_mtime_ns for p in block_files(tmp_path)}
    assert 0 < len(finished) < 40
    drawn = []
    draw = Recipe.draw
    monkeypatch.setattr(Recipe, "draw", lambda recipe, i: (drawn.append(i), draw(recipe, i))[1])
    last = 10 * len(finished) + 10
    faces(tmp_path, range(last)).build()
    assert sorted(drawn) == list(range(last - 10, last))
    assert {p: p.stat().st_mtime_ns for p in finished} == finished


def test_too_little_room_is_found_before_anything_is_drawn(tmp_path, count, monkeypatch):
    usage = files.shutil.disk_usage(tmp_path)._replace(free=50_000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(NbnetError) as caught:
        faces(tmp_path, range(1000)).build()
    assert str(tmp_path) in str(caught.value)
    assert "cannot write 3.1 MB" in str(caught.value) and "0.1 MB are free" in str(caught.value)
    assert not count and not block_files(tmp_path)
    assert faces(tmp_path, range(10))[0][1] == 0  # one block still fits


def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path, count, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(NbnetError, match="cannot write .*No space left.*MB are free"):
            faces(tmp_path).build()
    assert not block_files(tmp_path) and not leftovers(tmp_path)
    faces(tmp_path).build()  # room was made


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_the_same_pictures(tmp_path, method):
    if method not in torch.multiprocessing.get_all_start_methods():
        pytest.skip("this system does not have it")
    data = faces(tmp_path, range(20))
    expected = data.pixels(12)  # the second block is drawn here, the first one by a worker
    assert len(pickle.dumps(data)) < 2_000
    workers = 2 if method == "fork" else 1  # each imports torch anew if spawned
    loader = DataLoader(data, batch_size=5, num_workers=workers, multiprocessing_context=method)
    batches = list(loader)
    assert torch.cat([b[1] for b in batches]).tolist() == list(range(20))
    assert torch.equal(batches[2][0][2], to_tensor(expected)[0])
    assert torch.equal(batches[0][0][3], to_tensor(render(3, 0, SIZE))[0])


def test_memory_does_not_grow_with_the_pictures_read(tmp_path, count, monkeypatch):
    monkeypatch.setattr(blocks, "MAPPED", 4 << 20)
    data = SynthFaces(range(800), 2, 64, cache=tmp_path, progress=False).build()  # 20 MB
    process = psutil.Process()
    data.pixels(0)
    before = process.memory_info().rss
    for index in range(len(data)):
        data.pixels(index)
    assert process.memory_info().rss - before < 10 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_draws_large_pictures_stays_small(tmp_path):
    """The renderer needs no torch, whose libraries alone are 0.5 to 0.7 GB of a process."""
    code = """
import sys
from pathlib import Path
from synthfaces import Recipe
shapes = [Recipe(2, 160).draw(i).shape for i in range(3)]
peak = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(len(shapes), "torch" in sys.modules, "nbnet_lib" in sys.modules, peak[0].split()[1])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *found, peak = done.stdout.split()
    assert found == ["3", "False", "False"]
    assert int(peak) < 700_000  # kB
