"""Mistakes made on purpose must be found and named, and a right input must not be accused."""

import numpy as np
import pytest
import torch
from PIL import Image

from nbnet_lib.encoders import Encoder, Preprocess, create_encoder
from nbnet_lib.encoders.synth import SynthEncoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import Comparisons, d_prime, open_protocol, synthfaces
from nbnet_lib.evaluate.encoder_check import Input, d_prime_draws, diagnose, variants
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.faces import render_set
from nbnet_lib.faces.framing import FRAMINGS

IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
PEOPLE = 30


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def protocol():
    return synthfaces(range(PEOPLE), 3)


def blind(pictures):
    """A detector that finds nothing, to save the time of a real one."""
    return [None] * len(pictures)


@pytest.fixture(scope="module")
def synth():
    """The shipped network, which expects RGB in [-1, 1] and SynthFaces' framing."""
    network = create_encoder("synth-colour").network
    return Encoder("mine", network, 64, 128, {}, preprocess=Preprocess(64), cutter=blind)


def broken(synth, **card):
    encoder = synth.with_preprocess(**card)
    encoder._cutter = blind
    return encoder


def test_the_right_card_is_not_accused(synth, protocol):
    found = diagnose(synth, protocol)
    assert found.findings == [] and not found.hopeless and found.notes == []
    assert (found.people, found.pictures) == (PEOPLE, 90)
    (tried,) = found.rounds
    assert tried[0].kind == "now" and tried[0].eer < 0.02
    assert {row.kind for row in tried} == {
        "now", "channels", "range", "framing", "alignment", "orientation"
    }  # fmt: skip
    assert not any(row.better for row in tried)


@pytest.mark.parametrize(
    ("card", "kind", "name"),
    [
        ({"channels": "bgr"}, "channels", "RGB"),
        ({"mean": 0, "std": 1}, "range", "pixels from -1 to 1"),
        (IMAGENET, "range", "pixels from -1 to 1"),
        ({"framing": "dlib"}, "framing", "framing synthfaces"),
    ],
)
def test_each_mistake_in_a_card_is_found_and_named(synth, protocol, card, kind, name):
    found = diagnose(broken(synth, **card), protocol, resamples=500)
    assert [(f.kind, f.name) for f in found.findings] == [(kind, name)]
    (finding,) = found.findings
    assert finding.eer < finding.eer_before
    assert finding.eer_difference[1] <= 0
    assert name in str(finding) and "in its card" in str(finding)
    # The advice is right: with it the network is fed as it was trained.
    repaired = broken(synth, **card).with_preprocess(**found.to_dict()["entries"]).preprocess
    assert repaired == synth.preprocess


def test_two_mistakes_are_found_one_after_the_other(synth, protocol):
    card = {"channels": "bgr", "mean": 0, "std": 1}
    found = diagnose(broken(synth, **card), protocol, resamples=500)
    assert {f.kind for f in found.findings} == {"channels", "range"}
    assert len(found.rounds) == 3
    repaired = broken(synth, **card).with_preprocess(**found.to_dict()["entries"]).preprocess
    assert repaired == synth.preprocess
    first, second = found.findings
    assert first.eer == second.eer_before > second.eer


def test_imagenets_mean_goes_with_its_colour(synth):
    flipped = broken(synth, channels="bgr", mean=(103.53, 116.28, 123.675))
    (order,) = [v for v in variants(Input(flipped, None)) if v.kind == "channels"]
    assert order.entries == {"channels": "rgb", "mean": [123.675, 116.28, 103.53]}
    names = [v.name for v in variants(Input(synth, None)) if v.kind == "range"]
    assert names == [
        "pixels from 0 to 1",
        "pixels from 0 to 255",
        "pixels less ImageNet's mean, by its deviation",
    ]  # (pixel - 127.5) / 128 cannot be distinguished from [-1, 1]


def test_a_network_that_recognises_nobody_gets_no_advice(protocol):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder = Encoder("random", Noise(), 64, 128, {}, preprocess=Preprocess(64), cutter=blind)
    found = diagnose(encoder, protocol, resamples=500)
    assert found.hopeless and found.findings == []
    assert "hardly tells these people apart" in found.notes[0]


class Noise(torch.nn.Module):
    """Templates that hang on single bits of a picture, as a hash does."""

    def forward(self, x):
        seeds = (x * 1e4).sum((1, 2, 3)).long().tolist()
        rows = [torch.randn(128, generator=torch.Generator().manual_seed(s % 2**31)) for s in seeds]
        return torch.stack(rows)


class Choosy(torch.nn.Module):
    """Gives nothing at all for pixels that are out of its range."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x) * float(x.abs().max() <= 1.01)


def test_an_input_that_gives_no_templates_is_a_mistake_like_others(protocol):
    network = Choosy(create_encoder("synth-colour").network)
    encoder = Encoder(
        "choosy", network, 64, 128, {}, preprocess=Preprocess(64, mean=0, std=1), cutter=blind
    )
    found = diagnose(encoder, protocol, resamples=500)
    assert found.rounds[0][0].eer is None and "zeros" in found.rounds[0][0].failed
    assert "no usable templates" in found.notes[0]
    assert [(f.kind, f.name) for f in found.findings] == [("range", "pixels from -1 to 1")]
    # The other way round, an alternative that fails is no better and stops nothing.
    right = Encoder("c", network, 64, 128, {}, preprocess=Preprocess(64), cutter=blind)
    found = diagnose(right, protocol)
    failed = [row.name for row in found.rounds[0] if row.failed]
    assert "pixels from 0 to 255" in failed and found.findings == []


def _folder(path, images, identities, change):
    """Write pictures of people as a folder of identity folders, each changed."""
    for i, (image, who) in enumerate(zip(images, identities, strict=True)):
        folder = path / f"Synth_Person_{who:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(change(image, i)).save(folder / f"{i}.png")
    return open_protocol("folder", path)


@pytest.fixture(scope="module")
def faces():
    return render_set(range(12), 3, 96, progress=False)


def test_pictures_upside_down_are_found(synth, faces, tmp_path):
    folder = _folder(tmp_path, faces.images, faces.identities, lambda image, _: image[::-1].copy())
    found = diagnose(synth, folder, resamples=500)
    assert [(f.kind, f.name) for f in found.findings] == [("orientation", "pictures upside down")]
    assert "have the pictures upside down before" in str(found.findings[0])


def test_pictures_that_are_not_aligned_are_found(synth, faces, tmp_path):
    def shift(image, i):  # the face somewhere in a wider picture
        wide = np.pad(image, ((40, 40), (40, 40), (0, 0)), mode="edge")
        x, y = np.random.default_rng(i).integers(0, 41, 2)
        return wide[y : y + 136, x : x + 136]

    folder = _folder(tmp_path, faces.images, faces.identities, shift)
    encoder = create_encoder("synth-colour")  # with a real detector
    found = diagnose(encoder, folder, resamples=500)
    assert found.findings[0].kind == "alignment"
    assert "nbnet data align" in str(found.findings[0])


def test_a_fixed_preprocessing_leaves_the_rest_to_try(protocol):
    network = SynthEncoder().eval()
    fixed = Encoder("fixed", network, 64, 128, {}, cutter=blind)
    kinds = [v.kind for v in variants(Input(fixed, FRAMINGS["synthfaces"]))]
    assert kinds == ["alignment", "orientation", "orientation", "orientation"]


def test_too_few_people_are_refused(synth, protocol):
    with pytest.raises(NbnetError, match="9 people .* too few"):
        diagnose(synth, protocol, people=9)
    with pytest.raises(NbnetError, match="5 people .* too few"):
        diagnose(synth, synthfaces(range(5), 2))


def test_d_prime_of_a_draw_is_that_of_the_people_drawn():
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(5), 3)
    first, second = np.triu_indices(15, 1)
    scores = rng.normal(size=len(first)) + (who[first] == who[second])
    same = who[first] == who[second]
    pairs = Comparisons(scores, who[first], who[second])
    genuine, impostor = pairs.select(same), pairs.select(~same)
    bootstrap = IdentityBootstrap(who, 50, 1)
    drawn = d_prime_draws(bootstrap, genuine, impostor)
    checked = 0
    for weights, value in zip(bootstrap.weights, drawn, strict=True):
        g = np.repeat(genuine.scores, weights[genuine.first])
        i = np.repeat(impostor.scores, weights[impostor.first] * weights[impostor.second])
        if len(i):
            assert value == pytest.approx(d_prime(g, i))
            checked += 1
    assert checked > 40


@pytest.mark.parametrize("sees", [True, False])
def test_faces_missed_in_pictures_turned_on_purpose_are_no_sign(sees):
    """What a detector misses in the pictures as they are tells something, upside down nothing."""
    upright = {image.tobytes() for image in render_set(range(10), 2, 160, progress=False).images}
    asked = []

    def finds_upright_faces(pictures):
        asked.extend(pictures)
        return [
            np.ascontiguousarray(p[::2, ::2])[:64, :64] if sees and p.tobytes() in upright else None
            for p in pictures
        ]

    encoder = Encoder(
        "theirs",
        create_encoder("synth-colour").network,
        64,
        128,
        {},
        framing="dlib",
        alignment="detect",
        cutter=finds_upright_faces,
    )
    found = diagnose(encoder, synthfaces(range(10), 2), people=10, resamples=20)
    assert len(asked) == 80  # as they are, and turned in three ways
    assert any("found no face in 100% of" in note for note in found.notes) == (not sees)
    assert any("found no face" in note for note in found.notes) == (not sees)
