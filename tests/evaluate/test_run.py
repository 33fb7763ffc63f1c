"""A protocol from pictures to numbers, with a tiny encoder in the target's place."""

import json

import jsonschema
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.attack import reconstruct
from nbnet_lib.decoders import create_decoder
from nbnet_lib.encoders.base import CountedTemplates
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import (
    Options,
    run_protocol,
    search,
    synthfaces,
    threshold_at_far,
)
from nbnet_lib.evaluate import (
    attack as attack_module,
)
from nbnet_lib.evaluate.histogram import ScoreHistogram
from nbnet_lib.evaluate.result import schema
from nbnet_lib.evaluate.run import _notes
from nbnet_lib.evaluate.trial import TrialResult, measure_trial
from nbnet_lib.faces import to_tensor
from nbnet_lib.faces.framing import FRAMINGS
from synthfaces import SynthFacesError


class ColourEncoder:
    """Mean colours of 3 x 2 tiles: enough to tell people apart a bit."""

    name, template_dim, image_size = "colour", 18, 32

    def embed(self, images, batch_size=256, progress=False, framing=None):
        if isinstance(images, np.ndarray):
            images = to_tensor(images)
        tiles = F.adaptive_avg_pool2d(images, (3, 2)).flatten(1)
        return F.normalize(tiles + torch.linspace(-0.5, 0.5, 18), dim=1)


def make_decoder(seed, name):
    torch.manual_seed(seed)
    decoder = create_decoder("dcnn", 18, 40, base_channels=16)
    decoder.name = name
    return decoder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def protocol():
    return synthfaces(range(12), samples=3)


@pytest.fixture(scope="module")
def templates(protocol):
    return ColourEncoder().embed(np.concatenate(list(protocol.pictures.batches(32)))).numpy()


@pytest.fixture(scope="module")
def result(protocol):
    with np.errstate(all="raise"):
        return run_protocol(
            protocol,
            ColourEncoder(),
            [make_decoder(0, "a"), make_decoder(1, "b")],
            Options(fars=(0.1, 0.05), resamples=50),
            progress=False,
        )


def test_the_json_obeys_the_schema(result):
    reported = json.loads(result.to_json())
    jsonschema.validate(reported, schema())
    assert reported["protocol"]["pictures"] == 36 and reported["protocol"]["identities"] == 12
    assert list(reported["seconds"]) == ["embed", "attack", "measure"]


def test_each_attack_and_all_together(result):
    attacks = list(dict.fromkeys(row.attack for row in result.measures))
    assert attacks == ["original", "a", "b", "any of the 2"]
    for far in (0.1, 0.05):
        for kind, n in (("type1", 36), ("type2", 72)):
            rates = [result.get("tar", name, kind, far) for name in attacks[1:]]
            assert all(rate.n == n for rate in rates)
            assert rates[2].value >= max(rates[0].value, rates[1].value)
            assert all(0 <= r.low <= r.value <= r.high <= 1 for r in rates)
        assert 0 <= result.get("baseline", "any of the 2", far=far).value <= 1


def test_identification_searches_reconstructions_among_originals(result, templates, protocol):
    trial, who = protocol.trials[0], protocol.pictures.identities
    rebuilt = ColourEncoder().embed(reconstruct(make_decoder(1, "b"), templates)).numpy()
    for probes in ("enrolled", "others"):
        rows = trial.probes[probes]
        found = search(rebuilt[rows], who[rows], templates[trial.gallery], who[trial.gallery])
        assert result.get("rank", "b", probes, rank=1).value == found.rank_rate(1)
    # An enrolled original against itself is no question.
    assert not [r for r in result.measures if r.attack == "original" and r.kind == "enrolled"]


def test_open_set_thresholds_come_from_original_strangers(result, templates, protocol):
    trial, who = protocol.trials[0], protocol.pictures.identities
    enrolled = np.isin(who, who[trial.gallery])
    strangers = templates[~enrolled] @ templates[trial.gallery].T
    threshold = threshold_at_far(strangers.max(1), 0.1)
    rows = trial.probes["others"]
    score = templates[rows] @ templates[trial.gallery].T
    right = (score.max(1) > threshold) & (who[trial.gallery][score.argmax(1)] == who[rows])
    assert result.get("dir", "original", "others", 0.1, 1).value == pytest.approx(right.mean())


def test_what_few_impostors_cannot_show_is_noted(result):
    """594 impostor pairs and 12 probes of strangers, at FAR 10 % and 5 %."""
    assert result.notes[:2] == [
        "the threshold at FAR 0.1 rests on 1 false acceptances among 12 probes of people outside "
        "the gallery: with fewer than 10 it moves from one set of people to the next",
        "no DIR at FAR 0.05: 12 probes of people outside the gallery cannot show it, at least 20 "
        "are needed",
    ]
    assert all(note.startswith("3 of 50 resamples") for note in result.notes[2:])
    assert {row.far for row in result.measures if row.measure == "dir"} == {0.1}


def test_pairs_of_attacks(result):
    assert len(result.paired) == 4
    for row in result.paired:
        a, b = (result.get("tar", row[x], row["kind"], row["far"]).value for x in "ab")
        assert row["difference"] == pytest.approx(a - b)


def test_people_and_strips(result, protocol):
    frame = result.per_identity
    assert len(frame) == 36 and set(frame.attack) == {"a", "b", "any of the 2"}
    assert frame[frame.attack == "a"].person.tolist() == list(protocol.pictures.people)
    strip = result.strips["a"]
    assert strip.originals.shape == strip.reconstructions.shape == (9, 40, 40, 3)
    assert strip.scores[0] == result.scores["a"]["type1"].max()
    assert strip.scores[-1] == result.scores["a"]["type1"].min()


def test_quality_and_leakage(protocol):
    result = run_protocol(
        protocol,
        ColourEncoder(),
        [make_decoder(0, "a")],
        Options(fars=(0.1,), resamples=20, quality=True, leakage=["gender", "yaw_deg"]),
        progress=False,
    )
    assert 0 < result.get("psnr", "a", "type1").value < 40
    assert -1 <= result.get("ssim", "a", "type1").value <= 1
    assert [row["attribute"] for row in result.leakage] == ["gender", "yaw_deg"]
    jsonschema.validate(json.loads(result.to_json()), schema())


def test_a_recogniser_alone(protocol):
    result = run_protocol(
        protocol, ColourEncoder(), options=Options(fars=(0.1,), resamples=20), progress=False
    )
    assert result.decoders == [] and result.paired == [] and result.per_identity is None
    assert {row.attack for row in result.measures} == {"original"}


def test_refusals(protocol):
    with pytest.raises(NbnetError, match="10000 is kept for"):
        synthfaces([0, 10_000], 2)
    other = create_decoder("dcnn", 32, 40, base_channels=16)
    with pytest.raises(NbnetError, match="length 18 but dcnn-40 takes 32"):
        run_protocol(protocol, ColourEncoder(), [other])
    with pytest.raises(NbnetError, match="two attacks are called 'a'"):
        run_protocol(protocol, ColourEncoder(), [make_decoder(0, "a"), make_decoder(1, "a")])
    with pytest.raises(NbnetError, match="original"):
        run_protocol(protocol, ColourEncoder(), [make_decoder(0, "original")])
    with pytest.raises(NbnetError, match="no FAR"):
        run_protocol(protocol, ColourEncoder(), options=Options(fars=()))
    with pytest.raises(SynthFacesError, match="no parameter"):
        run_protocol(
            protocol, ColourEncoder(), options=Options(leakage=["shoe_size"]), progress=False
        )


def test_notes_of_many_trials_appear_once():
    trials = [TrialResult(notes=[f"FAR 0.1: {n} of 60", f"FAR 0.01: {n} of 6"]) for n in (1, 2, 3)]
    assert _notes(trials) == [
        "FAR 0.1: 1 of 60 (and the like in 2 more trials)",
        "FAR 0.01: 1 of 6 (and the like in 2 more trials)",
    ]
    assert _notes(trials[:1]) == ["FAR 0.1: 1 of 60", "FAR 0.01: 1 of 6"]


def test_counted_impostors_give_the_same_numbers(protocol, templates, monkeypatch):
    """As in a trial of LFW, whose impostors are too many to keep."""
    attack = {"a": np.roll(templates, 1, axis=0)[None]}
    who, trial = protocol.pictures.identities, protocol.trials[0]
    kept = measure_trial(trial, templates, who, attack, (0.1, 0.05), resamples=0)
    monkeypatch.setattr(attack_module, "MAX_KEPT", 10)
    counted = measure_trial(trial, templates, who, attack, (0.1, 0.05), resamples=0)
    assert isinstance(counted.impostor, ScoreHistogram) and len(counted.impostor) == 594
    assert [m.key for m in counted.measures] == [m.key for m in kept.measures]
    for a, b in zip(counted.measures, kept.measures, strict=True):
        assert a.value == pytest.approx(b.value, abs=1e-5), a
    assert counted.attacks["a"].scores["impostor"] is counted.impostor


def test_equal_scores_have_no_d_prime(protocol):
    same = np.tile(np.eye(1, 18, dtype=np.float32), (36, 1))
    found = measure_trial(
        protocol.trials[0], same, protocol.pictures.identities, {}, (0.1,), resamples=20
    )
    values = {m.measure: m.value for m in found.measures if not m.kind}
    assert np.isnan(values["d_prime"]) and values["auc"] == 0.5
    assert any(note.startswith("no d'") for note in found.notes)


class DetectingEncoder(ColourEncoder):
    """Finds no face in every fifth picture, and remembers which framings it was given."""

    def __init__(self):
        self.framings = []

    def embed_counted(self, images, batch_size=256, progress=False, framing=None):
        self.framings.append(framing.name if framing else None)
        return CountedTemplates(self.embed(images), len(images), len(images) - len(images) // 5)


def test_each_picture_is_read_in_its_framing(protocol):
    encoder, decoder = DetectingEncoder(), make_decoder(0, "a")
    decoder.framing = FRAMINGS["dlib"]
    run_protocol(protocol, encoder, [decoder], Options((0.1,), resamples=10), progress=False)
    assert encoder.framings == ["synthfaces", "dlib"]  # the originals, then the reconstructions


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"encoder": "colour"}, "a was trained against colour (SHA-256 unknown)"),
        ({"encoder": "synth"}, "trained against the encoder synth"),
        ({"seed": 0}, "the card of a does not say"),
        ({}, None),  # trained just now
    ],
)
def test_a_decoder_of_a_recogniser_that_is_not_known_is_noted(protocol, card, said):
    decoder = make_decoder(0, "a")
    decoder.card = card
    result = run_protocol(
        protocol, ColourEncoder(), [decoder], Options((0.1,), resamples=10), progress=False
    )
    doubts = [note for note in result.notes if "means little" in note]
    assert len(doubts) == (said is not None) and all(said in note for note in doubts)


def test_a_recogniser_that_changed_under_its_name_is_not_attacked(protocol):
    target, decoder = ColourEncoder(), make_decoder(0, "a")
    target.sha256, decoder.card = "2" * 64, {"encoder": "colour", "encoder_sha256": "1" * 64}
    with pytest.raises(NbnetError, match=r"colour \(SHA-256 1{12}\).*colour \(SHA-256 2{12}\)"):
        run_protocol(protocol, target, [decoder], Options((0.1,)), progress=False)


def test_what_kind_of_attack_it_was_is_reported(protocol):
    """A rate of a few minutes' training must not be read as one of the paper's weeks."""
    decoder = make_decoder(0, "a")
    decoder.card = {
        "config": {"loss": "pixel", "steps": 1500, "batch_size": 64, "template_weight": 0.3},
        "architecture": decoder.architecture,
        "data": "SynthFaces identities 10000-10099 (100) x 2, 40 px",
        "encoder": "colour",
    }
    bare = make_decoder(1, "b")
    result = run_protocol(
        protocol, ColourEncoder(), [decoder, bare], Options((0.1,), resamples=10), progress=False
    )
    assert result.trained == {
        "a": "dcnn, 40 px; pixel loss and a surrogate, 1,500 updates of 64 pictures; trained on "
        "SynthFaces identities 10000-10099 (100) x 2, 40 px; against colour"
    }
    jsonschema.validate(result.to_dict(), schema())
