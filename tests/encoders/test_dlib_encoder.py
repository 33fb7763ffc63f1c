"""dlib: its own network on its own chips, alone and shared out among processes."""

import importlib.util
from importlib import import_module

import numpy as np
import pytest
import torch

pytest.importorskip("dlib", reason='pip install -e ".[dlib]"')

from nbnet_lib.encoders import create_encoder, dlib_encoder
from nbnet_lib.encoders.dlib_network import read_network
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import genuine_impostor
from nbnet_lib.faces import dlib_models, render, render_set
from nbnet_lib.faces.dlib_models import RECOGNISER, face_chip, model_file
from nbnet_lib.faces.framing import FRAMINGS


@pytest.fixture(scope="module")
def encoder():
    return create_encoder("dlib", workers=1)


@pytest.fixture(scope="module")
def faces():
    return render_set(range(4), 2, 160, progress=False)


def test_templates_are_dlibs_descriptors_at_unit_length(encoder, faces):
    dlib = import_module("dlib")
    found = encoder.embed(faces.images[:2])
    network = dlib.face_recognition_model_v1(str(model_file(RECOGNISER)))
    for template, picture in zip(found, faces.images, strict=False):
        # dlib's own steps, without the library's: detector, landmarks, chip, network.
        _, detector, landmarks = dlib_models.networks()
        room = np.pad(picture, ((40, 40), (40, 40), (0, 0)), mode="reflect")
        (box,) = detector(room, 1)
        shapes = dlib.full_object_detections([landmarks(room, box)])
        (theirs,) = network.compute_face_descriptor(room, shapes, 0, 0.25)
        theirs = torch.tensor(theirs) / np.linalg.norm(theirs)
        assert torch.allclose(template, theirs.float(), atol=1e-5)


def test_people_are_told_apart_although_nobody_here_trained_it(encoder, faces):
    templates, n_attempted, n_detected = encoder.embed_counted(faces.images)
    genuine, impostor = genuine_impostor(templates, faces.identities)
    assert genuine.mean() > impostor.mean() + 0.05
    assert n_attempted == n_detected == len(faces.images)


def test_small_and_large_pictures_work(encoder):
    found = [encoder.embed_counted(render(3, 0, size)[None]) for size in (64, 160, 500)]
    assert [counts for _, *counts in found] == [[1, 1]] * 3
    same = [templates for templates, *_ in found]
    assert float((same[1] * same[2]).sum()) > 0.97
    assert float((same[0] * same[1]).sum()) > 0.9


def test_a_picture_without_a_face_gets_a_template_and_is_counted(faces):
    encoder = create_encoder("dlib", workers=1)
    nothing = np.full((160, 160, 3), 90, np.uint8)
    templates, *counts = encoder.embed_counted(
        np.stack([nothing, faces.images[0]]), framing=FRAMINGS["synthfaces"]
    )
    assert templates.shape == (2, 128)
    assert counts == [2, 1]
    alone = encoder.embed(faces.images[:1], framing=FRAMINGS["synthfaces"])
    assert torch.allclose(templates[1], alone[0], atol=1e-6)


def test_the_fixed_warp_is_near_to_what_the_detector_cuts(faces):
    detecting = create_encoder("dlib", workers=1).embed(faces.images[:4])
    fixed = create_encoder("dlib", workers=1, alignment="framing")
    templates, n_attempted, _ = fixed.embed_counted(
        faces.images[:4], framing=FRAMINGS["synthfaces"]
    )
    assert n_attempted == 0
    assert float((detecting * templates).sum(1).min()) > 0.9
    wrong = fixed.embed(faces.images[:4], framing=FRAMINGS["dlib"])
    assert float((detecting * wrong).sum(1).mean()) < float((detecting * templates).sum(1).mean())


def test_processes_give_the_same_templates(encoder, faces, monkeypatch):
    alone = encoder.embed(faces.images[:5])
    monkeypatch.setattr(dlib_encoder, "FEW", 1)
    monkeypatch.setattr(dlib_encoder, "AT_ONCE", 2)
    seen = []
    real = dlib_encoder.in_parallel

    def watched(function, groups, workers):
        seen.append(workers)
        return real(function, groups, workers)

    monkeypatch.setattr(dlib_encoder, "in_parallel", watched)
    two = create_encoder("dlib", workers=2)
    assert torch.allclose(two.embed(faces.images[:5]), alone, atol=1e-6)
    assert seen == [2]


def test_what_cannot_be_changed_is_said(encoder):
    with pytest.raises(NbnetError, match="encoder dlib has no channels"):
        encoder.with_preprocess(channels="bgr")
    with pytest.raises(NbnetError, match="brings its weights along"):
        create_encoder("dlib", weights="x.dat")
    with pytest.raises(NbnetError, match="brings its card along"):
        create_encoder("dlib", card={"channels": "bgr"})
    with pytest.raises(NbnetError, match="workers is 0"):
        create_encoder("dlib", workers=0)


def test_missing_packages_are_named(monkeypatch):
    dlib_models.networks.cache_clear()
    real = importlib.util.find_spec
    for missing in ("dlib", "face_recognition_models"):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda n, m=missing: None if n == m else real(n)
        )
        assert not dlib_models.installed()
        with pytest.raises(NbnetError, match=r"pip install .*\[dlib\]"):
            create_encoder("dlib")


def test_the_place_of_the_face_can_be_given_where_none_is_found():
    nothing = np.full((160, 160, 3), 90, np.uint8)
    assert face_chip(nothing) == (None, False)
    chip, found = face_chip(nothing, otherwise=(0.2, 0.27, 0.8, 0.87))
    assert chip.shape == (150, 150, 3) and not found


def test_a_damaged_file_is_refused(tmp_path):
    file = tmp_path / RECOGNISER
    content = model_file(RECOGNISER).read_bytes()
    for damaged in (content[: len(content) // 2], content.replace(b"affine_", b"affinex", 1), b""):
        file.write_bytes(damaged)
        with pytest.raises(NbnetError, match="damaged"):
            read_network(file)
