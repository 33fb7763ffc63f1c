"""The black box from faces to templates, and its training."""

import numpy as np
import pytest
import torch

from nbnet_lib.encoders import create_encoder, encoder_kinds, encoder_names, train
from nbnet_lib.encoders.synth import SynthEncoder
from nbnet_lib.encoders.train import augment, train_encoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import genuine_impostor
from nbnet_lib.faces import make_identity, render_set, to_tensor
from nbnet_lib.weights import load_weights


@pytest.fixture(scope="module")
def encoder():
    return create_encoder("synth")


def test_templates_have_unit_length_and_the_promised_shape(encoder, faces):
    templates = encoder(to_tensor(faces.images[:5]))
    assert templates.shape == (5, 128) == (5, encoder.template_dim)
    assert templates.dtype == torch.float32
    assert torch.allclose(templates.norm(dim=1), torch.ones(5), atol=1e-5)


def test_nothing_can_be_differentiated_through(encoder, faces):
    images = to_tensor(faces.images[:2]).requires_grad_()
    assert not encoder(images).requires_grad


def test_the_same_person_is_more_alike_than_others(encoder, faces):
    genuine, impostor = genuine_impostor(encoder.embed(faces.images), faces.identities)
    assert np.median(genuine) > 0.5 > np.quantile(impostor, 0.95)


def test_embedding_in_batches_or_from_another_size_changes_little(encoder, faces):
    whole = encoder.embed(faces.images)
    assert torch.allclose(whole, encoder.embed(faces.images, batch_size=7), atol=1e-5)
    large = render_set(range(10), 3, 128, progress=False)
    assert (whole * encoder.embed(large.images)).sum(1).median() > 0.9


def test_no_image_gives_no_template(encoder):
    assert encoder.embed(torch.zeros(0, 3, 64, 64)).shape == (0, 128)


@pytest.mark.parametrize(
    "images, word",
    [
        (torch.zeros(1, 3, 160, 160), "160x160"),
        (torch.full((1, 3, 64, 64), 255.0), "255"),
        (torch.zeros(3, 64, 64), "shape"),
    ],
)
def test_wrong_images_are_named(encoder, images, word):
    with pytest.raises(NbnetError, match=word):
        encoder(images)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(NbnetError, match="synth, synth-mobile, synth-colour.*dlib.*onnx:"):
        create_encoder("facenet-of-dreams")
    courses = ["synth", "synth-mobile", "synth-colour", "synth-colour-mobile"]
    names = [*courses, "facenet-vggface2", "facenet-casia", "dlib"]
    assert encoder_names() == names
    assert list(encoder_kinds()) == ["onnx", "torchscript", "python"]


def test_the_numbers_are_those_of_the_network_and_nothing_else(encoder, faces):
    """What stands between the pictures and the synth network does not change one bit."""
    network = SynthEncoder()
    network.load_state_dict(load_weights("synth")[0])
    with torch.no_grad():
        plain = torch.nn.functional.normalize(network.eval()(to_tensor(faces.images)))
    assert torch.equal(encoder.embed(faces.images), plain)
    assert torch.equal(encoder(to_tensor(faces.images)), plain)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"name": "onnx:"}, "'onnx:'.*onnx:FILE.onnx"),
        ({"name": "onnx:x.onnx", "weights": "w.pt"}, "brings its weights along"),
        ({"name": 7}, "'int' object is not callable"),
        ({"name": "synth", "image_size": 112}, "the encoder synth has no option image_size"),
        ({"name": "synth", "card": {"name": "x"}}, "leave card out"),
    ],
)
def test_what_does_not_go_together_is_said(given, words):
    with pytest.raises(NbnetError, match=words):
        create_encoder(**given)


def test_the_card_in_use_leaves_nothing_out(encoder):
    assert encoder.card["input"]["range"] == [-1.0, 1.0]
    assert encoder.card["training_data"].startswith("SynthFaces 100000-")
    assert encoder.card["verification"]["far"]["0.001"]["tar"] > 0.9
    assert "verification_missing" not in encoder.card


def test_the_second_recogniser_shares_nothing_with_the_first(encoder):
    """It judges attacks on the first: another network, other people, another seed."""
    judge = create_encoder("synth-mobile")
    assert judge.card["training_data"].startswith("SynthFaces 200000-205999")
    assert judge.card["seed"] != encoder.card["seed"]
    assert judge.card["verification"]["far"]["0.001"]["tar"] > 0.85
    faces = render_set(range(4), 2, 64, progress=False)
    ours, theirs = encoder.embed(faces.images), judge.embed(faces.images)
    assert ours.shape == theirs.shape == (8, 128)
    # Each has a space of its own: a template of one says nothing to the other.
    assert float((ours * theirs).sum(1).abs().max()) < 0.5
    own = theirs @ theirs.T
    assert own[0, 1] > own[0, 2:].max()  # and it knows a person again


def test_weights_of_the_other_recogniser_are_refused():
    with pytest.raises(NbnetError, match="synth does not hold the weights of the encoder"):
        create_encoder("synth-mobile", weights="synth")


def test_augmentation_is_seeded_and_keeps_the_shape():
    images = torch.rand(8, 3, 64, 64) * 2 - 1
    one = augment(images, torch.Generator().manual_seed(3))
    two = augment(images, torch.Generator().manual_seed(3))
    assert one.shape == images.shape
    assert torch.equal(one, two)
    assert not torch.equal(one, images)


def test_disturbance_begins_with_none_and_ends_with_colours_that_mean_nothing():
    """At strength 0 hues stay; at 1 some pictures are grey, some tinted and some cut out."""
    images = torch.rand(200, 1, 16, 16).repeat(1, 3, 1, 1) * 1.8 - 0.9  # grey ones
    mild = augment(images, torch.Generator().manual_seed(0), 0.0)
    assert torch.allclose(mild[:, 0], mild[:, 2], atol=1e-5)
    strong = augment(images, torch.Generator().manual_seed(0))
    tint = (strong[:, 0] - strong[:, 2]).flatten(1).abs().mean(1)
    assert 0.2 < (tint < 0.05).float().mean() < 0.6
    assert (tint > 0.2).float().mean() > 0.2


def test_the_reader_is_asked_about_the_very_person(tmp_path):
    """Labels count the people in ascending order, whatever the order of the pictures."""
    faces = render_set(
        [300_007, 300_002, 300_005], 22, 64, cache=tmp_path, progress=False, years=True
    )
    run = train._Run(train.NETWORKS["synth"](), faces, 1, 0, train.EncoderSettings(), "cpu")
    age = [make_identity(int(i)).age_years for i in faces.identities]
    column = train.lasting_parameters().index("age_years")
    assert np.corrcoef(age, run.bones[run.labels, column])[0, 1] > 0.999
    assert abs(float(run.weights.sum()) - 1) < 1e-6
    assert run.weights[column] > run.weights.min()


def test_steps_become_harder_one_after_another():
    assert train.ramp(0.1, (0.2, 0.6)) == 0 and train.ramp(0.7, (0.2, 0.6)) == 1
    assert train.ramp(0.3, (0.2, 0.6)) == pytest.approx(0.25)


def test_the_network_to_train_has_a_name(tmp_path):
    with pytest.raises(NbnetError, match="no network of the course is named 'vgg'"):
        train_encoder([300_000], 2, 1, out=tmp_path / "x.safetensors", network="vgg")


def test_the_second_network_is_trained_and_opened_by_its_name(tmp_path):
    out = tmp_path / "x.safetensors"
    people = range(300_000, 300_032)
    card = train_encoder(people, 4, 1, out=out, progress=False, network="synth-mobile")
    assert card["command"].endswith("--network synth-mobile")
    assert create_encoder("synth-mobile", weights=out).template_dim == 128


def _train(out, epochs):
    return train_encoder(range(300_000, 300_032), 4, epochs, seed=1, out=out, progress=False)


def test_training_resumes_after_an_interruption_with_the_same_weights(tmp_path, monkeypatch):
    whole = _train(tmp_path / "whole.safetensors", 3)
    real, calls = train._Run.train_epoch, []

    def stop_in_the_second(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(train._Run, "train_epoch", stop_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "parts.safetensors", 3)
    monkeypatch.setattr(train._Run, "train_epoch", real)
    parts = _train(tmp_path / "parts.safetensors", 3)
    first, _ = load_weights(tmp_path / "whole.safetensors")
    second, _ = load_weights(tmp_path / "parts.safetensors")
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert whole["history"] == parts["history"]
    assert len(whole["history"]) == 3
    assert not list(tmp_path.glob("*.checkpoint"))


def test_a_checkpoint_of_other_settings_is_not_taken_up(tmp_path, monkeypatch):
    real = train.save_weights
    monkeypatch.setattr(train, "save_weights", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        _train(tmp_path / "x.safetensors", 1)
    monkeypatch.setattr(train, "save_weights", real)
    with pytest.raises(NbnetError, match="other settings"):
        _train(tmp_path / "x.safetensors", 2)


def test_training_on_evaluation_identities_is_refused(tmp_path):
    with pytest.raises(NbnetError, match="kept for evaluation"):
        train_encoder(range(100), 2, 1, out=tmp_path / "x.safetensors", progress=False)


def test_too_few_pictures_are_refused(tmp_path):
    with pytest.raises(NbnetError, match="fewer than one batch"):
        train_encoder([300_000], 2, 1, out=tmp_path / "x.safetensors", progress=False)


def test_an_unwritable_output_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NbnetError, match="cannot write"):
        train_encoder(range(300_000, 300_032), 4, 1, out=tmp_path / "file" / "x.safetensors")
