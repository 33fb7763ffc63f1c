"""Judges: at thresholds of their own, and independent of the target and of the training."""

import json

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from nbnet_lib.encoders.base import CountedTemplates
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import Options, run_protocol, synthfaces, tables, threshold_at_far
from nbnet_lib.evaluate.embedding import embed_reconstructions
from nbnet_lib.evaluate.judges import gaps, same_recogniser
from nbnet_lib.evaluate.protocols import from_csv
from nbnet_lib.evaluate.provenance import recognisers_in, training_people
from nbnet_lib.evaluate.result import schema
from nbnet_lib.evaluate.trial import measure_trial
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.faces import to_tensor
from nbnet_lib.faces.framing import FRAMINGS

SIDE, SHOTS = 32, 3
KINDS = ("type1", "type2")


class Block:
    """A recogniser that sees one part of the picture only: a 32 x 32 picture as 8 x 8 colours."""

    image_size, template_dim = SIDE, 96

    def __init__(self, name, rows, card=None):
        self.name, self.rows, self.card = name, rows, card

    def embed(self, images, batch_size=256, progress=False, framing=None):
        if isinstance(images, np.ndarray):
            images = to_tensor(images)
        tiles = F.adaptive_avg_pool2d(images.float(), (8, 8))[:, :, self.rows]
        return F.normalize(tiles.flatten(1), dim=1)


def upper(name="upper", card=None):
    return Block(name, slice(0, 4), card)


def lower(name="lower", card=None):
    return Block(name, slice(4, 8), card)


class Forger(nn.Module):
    """Draws the part that one recogniser looks at, from its template, and noise where others look.

    All that it makes is a pattern for that recogniser: a judge of the rest sees nobody.
    """

    template_dim, image_size = 96, SIDE
    framing, card = FRAMINGS["synthfaces"], None

    def __init__(self, name, share):
        super().__init__()
        self.name, self.share = name, share
        self.weight = nn.Parameter(torch.zeros(1))
        generator = torch.Generator().manual_seed(0)
        self.noise = torch.rand(1, 3, 4, 8, generator=generator) - 0.5

    def forward(self, templates):
        seen = templates.reshape(-1, 3, 4, 8)
        own = seen / seen.abs().amax(dim=(1, 2, 3), keepdim=True)
        # share 1: the whole face is in the upper half's template (the lower half mirrors it).
        rest = self.share * own.flip(2) + (1 - self.share) * self.noise
        return F.interpolate(torch.cat([own, rest], 2).clamp(-1, 1), scale_factor=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """12 people x 3 pictures whose lower half mirrors the upper one, in 3 folds of 4 people."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    lines, folds = ["image,identity"], ["image,identity,fold"]
    for person in range(12):
        face = rng.uniform(40, 215, (4, 8, 3))
        for shot in range(SHOTS):
            half = face + rng.normal(0, 90, face.shape)
            small = np.concatenate([half, half[::-1]]).clip(0, 255).astype(np.uint8)
            name = f"p{person:02d}_{shot}.png"
            Image.fromarray(small.repeat(4, 0).repeat(4, 1)).save(root / name)
            lines.append(f"{name},p{person}")
            folds.append(f"{name},p{person},{person % 3}")
    (root / "all.csv").write_text("\n".join(lines), encoding="utf-8")
    (root / "folds.csv").write_text("\n".join(folds), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def protocol(folder):
    return from_csv(folder / "all.csv")


def run(protocol, **changes):
    given = {"decoders": [Forger("face", 1.0), Forger("pattern", 0.0)]}
    given |= {"judges": {"independent": lower()}, "progress": False}
    options = Options(changes.pop("fars", (0.1, 0.02)), resamples=100)
    return run_protocol(protocol, upper(), options=options, **given | changes)


@pytest.fixture(scope="module")
def result(protocol):
    return run(protocol)


def by_hand(encoder, decoder, protocol, far):
    """Type-I and type-II of ``encoder`` at its own threshold; templates leak from `upper`."""
    pictures, who = protocol.pictures.read(np.arange(36), SIDE), protocol.pictures.identities
    stolen = upper().embed(pictures)
    made = decoder(stolen).detach()
    x, y = encoder.embed(pictures).numpy(), encoder.embed(made).numpy()
    j, k = np.triu_indices(36, 1)
    impostor = (x @ x.T)[j, k][who[j] != who[k]]
    # The (floor(FAR n) + 1)-th largest impostor score.
    limit = np.sort(impostor)[::-1][int(np.floor(far * len(impostor) + 1e-9))]
    score, same = y @ x.T, who[:, None] == who
    return {
        "threshold": limit,
        "type1": (np.diag(score) > limit).mean(),
        "type2": (score[same & ~np.eye(36, dtype=bool)] > limit).mean(),
    }


@pytest.mark.parametrize("far", [0.1, 0.02])
@pytest.mark.parametrize("place", [0, 1])
def test_the_judges_numbers_by_hand(result, protocol, far, place):
    decoder = [Forger("face", 1.0), Forger("pattern", 0.0)][place]
    for judge, encoder in (("", upper()), ("independent", lower())):
        expected = by_hand(encoder, decoder, protocol, far)
        found = result.get("threshold", far=far, judge=judge)
        assert found.value == pytest.approx(expected["threshold"], abs=1e-6)
        for kind in KINDS:
            rate = result.get("tar", decoder.name, kind, far, judge=judge)
            assert rate.value == expected[kind]
            assert rate.n == (36 if kind == "type1" else 72)
    for kind in KINDS:
        a, b = (result.get("tar", decoder.name, kind, far, judge=j) for j in ("", "independent"))
        assert result.get("gap", decoder.name, kind, far, judge="independent").value == (
            a.value - b.value
        )


def test_a_pattern_for_one_network_fools_the_target_and_not_the_judge(result):
    for kind in KINDS:
        fooled = result.get("tar", "pattern", kind, 0.1)
        judged = result.get("tar", "pattern", kind, 0.1, judge="independent")
        gap = result.get("gap", "pattern", kind, 0.1, judge="independent")
        assert fooled.value > 0.9 and judged.value < 0.2
        assert gap.value > 0.8 and gap.low > 0.5
        # A face that carries over has no such gap, though the target accepts it as often.
        face = result.get("gap", "face", kind, 0.1, judge="independent")
        assert result.get("tar", "face", kind, 0.1).value == fooled.value
        assert abs(face.value) < 0.1


def test_the_judge_never_uses_the_targets_threshold(protocol):
    """A judge whose scores are all far above the target's thresholds still refuses impostors."""

    class Shifted(Block):
        def embed(self, images, batch_size=256, progress=False, framing=None):
            seen = super().embed(images)
            return F.normalize(torch.cat([seen, torch.full((len(seen), 1), 3.0)], 1), dim=1)

    found = run(protocol, judges={"high": Shifted("shifted", slice(4, 8))})
    limits = [found.get("threshold", far=0.1, judge=judge).value for judge in ("", "high")]
    assert limits[1] > 0.9 > limits[0]
    # At the target's threshold it would accept every impostor, and every pattern.
    assert found.judges["high"].impostor.min() > limits[0]
    assert found.get("tar", "pattern", "type2", 0.02, judge="high").value < 0.2


def test_a_small_example_counted_by_hand():
    """Two people, two pictures each, in a plane: angles in degrees, so scores are cosines."""

    def at(*degrees):
        angle = np.radians(degrees)
        return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)

    from nbnet_lib.evaluate.protocols import Trial

    trial, who = Trial(np.arange(4)), np.array([0, 0, 1, 1])
    target, judge = at(0, 10, 60, 70), at(0, 40, 90, 130)
    # The target's impostors: 60, 70, 50, 60 degrees apart; at FAR 25 % one of them passes (50),
    # so the threshold is cos 60. The judge's: 90, 130, 50, 90 apart: threshold cos 90 = 0.
    shown = at(0, 10, 60, 70)[None], at(0, 40, 200, 130)[None]  # the judge knows no third picture
    one = measure_trial(trial, target, who, {"a": shown[0]}, (0.25,), resamples=0)
    two = measure_trial(trial, judge, who, {"a": shown[1]}, (0.25,), resamples=0)
    reported = {row.key[:3]: row.value for row in [*two.measures, *gaps(one, two)]}
    assert reported["original", "threshold", ""] == pytest.approx(0, abs=1e-6)
    # Type-I: picture 2 is shown at 200, 110 degrees off: refused. Type-II: 0-40 both ways and
    # 130-90 pass, 200 against 130 is 70 degrees off and passes.
    assert reported["a", "tar", "type1"] == 0.75 and reported["a", "tar", "type2"] == 1
    assert reported["a", "gap", "type1"] == 0.25 and reported["a", "gap", "type2"] == 0
    assert reported["original", "gap", "original"] == 0


def test_the_gaps_interval_draws_the_same_people_for_both(protocol):
    pictures, who = protocol.pictures.read(np.arange(36), SIDE), protocol.pictures.identities
    decoder, fars, n = Forger("pattern", 0.2), (0.1,), 200
    stolen = upper().embed(pictures)
    seen = {}
    for encoder in (upper(), lower()):
        made = embed_reconstructions(encoder, decoder, stolen).numpy()[None]
        seen[encoder.name] = encoder.embed(pictures).numpy(), who, {"a": made}
    one, two = (
        measure_trial(protocol.trials[0], *seen[name], fars, 0, n) for name in ("upper", "lower")
    )
    (row,) = [row for row in gaps(one, two) if row.kind == "type2"]
    drawn = []
    draws = IdentityBootstrap(who, n, 0)
    for found in (one, two):
        kept = found.attacks["a"].comparisons
        drawn.append(draws.tar(kept["type2"], kept["impostor"], 0.1))
    expected = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    assert (row.low, row.high) == pytest.approx(tuple(expected))
    # Two independent draws of people would give a wider one.
    apart = drawn[0] - np.roll(drawn[1], 1)
    assert np.ptp(expected) < np.ptp(np.quantile(apart, [0.025, 0.975]))


def test_folds_by_hand(folder):
    protocol = from_csv(folder / "folds.csv")
    found = run(protocol, fars=(0.1,), decoders=[Forger("pattern", 0.2)])
    who = protocol.pictures.identities
    pictures = protocol.pictures.read(np.arange(36), SIDE)
    stolen = upper().embed(pictures)
    fold = np.empty(36, int)
    for number, trial in enumerate(protocol.trials):
        fold[trial.rows] = number
    rates = {}
    for encoder in (upper(), lower()):
        x = encoder.embed(pictures).numpy()
        y = encoder.embed(Forger("pattern", 0.2)(stolen).detach()).numpy()
        j, k = np.triu_indices(36, 1)
        inside = fold[j] == fold[k]
        j, k = j[inside], k[inside]
        other = who[j] != who[k]
        for number in range(3):
            # Thresholds from the other folds, as for the target.
            limit = threshold_at_far((x @ x.T)[j, k][other & (fold[j] != number)], 0.1)
            here = fold == number
            passed = (y * x).sum(1)[here] > limit
            rates.setdefault(encoder.name, []).append(passed.mean())
    gap = found.get("gap", "pattern", "type1", 0.1, judge="independent")
    differences = np.subtract(rates["upper"], rates["lower"])
    assert gap.value == pytest.approx(differences.mean())
    assert gap.se == pytest.approx(differences.std(ddof=1) / np.sqrt(3))
    reported = found.to_dict()
    jsonschema.validate(reported, schema())
    assert "se" in reported["judges"]["independent"]["0.1"]["type1"]


def test_the_json_has_the_layout_of_far(protocol):
    reported = json.loads(run(protocol, decoders=[Forger("face", 0.5)]).to_json())
    jsonschema.validate(reported, schema())
    judged = reported["judges"]["independent"]
    assert list(judged) == list(reported["far"]) == ["0.1", "0.02"]
    for of in (reported["far"], judged):
        for at in of.values():
            assert list(at) == ["threshold", "original", "type1", "type2"]
            for kind in ("original", *KINDS):
                low, high = at[kind]["ci95"]
                assert 0 <= low <= at[kind]["tar"] <= high <= 1
    assert reported["judge_encoders"]["independent"]["encoder"] == "lower"
    assert all(row["judge"] == "independent" for row in reported["judge_measures"])
    assert all("judge" not in row for row in reported["measures"])


def test_tables_show_target_judge_and_gap(result):
    reported = result.to_dict()
    table = tables.judge_table(reported, "independent")
    assert list(table.columns.get_level_values(1)) == 2 * ["target", "independent", "gap"]
    assert list(table.index) == [
        (far, attack)
        for far in ("10 %", "2 %")
        for attack in ("original", "face", "pattern", "any of the 2")
    ]
    gap = table.loc[("2 %", "pattern"), ("type-II", "gap")]
    row = result.get("gap", "pattern", "type2", 0.02, judge="independent")
    assert gap == f"{100 * row.value:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]"
    assert table.loc[("2 %", "original"), ("type-I", "gap")] == "-"
    document = tables.all_markdown(reported)
    assert "judge independent (lower)" in document and document.count(tables.GAP_NOTE) == 1
    latex = tables.to_latex(reported)
    assert latex.count(r"\begin{table}") == 2 and r"\label{tab:judge-independent-all}" in latex


def test_faces_that_a_judge_missed_are_counted(protocol):
    class Detecting(Block):
        def embed_counted(self, images, batch_size=256, progress=False, framing=None):
            return CountedTemplates(self.embed(images), len(images), len(images) - 5)

    found = run(protocol, judges={"d": Detecting("detecting", slice(4, 8))})
    assert found.judges["d"].faces == {
        what: {"asked": 36, "missed": 5}
        for what in (
            "the originals",
            "the reconstructions of face",
            "the reconstructions of pattern",
        )
    }
    assert sum("the detector of detecting found no face in 5 of 36" in n for n in found.notes) == 3


def test_two_judges_and_notes_that_are_said_once(protocol):
    found = run(protocol, judges={"b": lower(), "c": Block("middle", slice(2, 6))}, fars=(0.01,))
    reported = found.to_dict()
    jsonschema.validate(reported, schema())
    assert list(reported["judges"]) == ["b", "c"]
    few = [note for note in found.notes if "rests on" in note]
    assert len(few) == len(set(few)) == 1  # as many impostors for each: known already
    assert found.seconds["attack"] >= 0


def test_without_judges_nothing_changes(protocol, result):
    plain = run(protocol, judges={})
    assert plain.judges == {} and plain.to_dict()["judge_measures"] == []
    assert plain.measures == result.measures and plain.paired == result.paired


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield synthfaces(range(4), samples=2)


class Trained(nn.Module):
    """Draws the same grey picture of everybody."""

    name, template_dim, image_size = "trained", 96, 32
    framing = FRAMINGS["synthfaces"]

    def __init__(self, card):
        super().__init__()
        self.card = card
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, templates):
        grey = torch.linspace(-0.5, 0.5, 32).expand(3, 32, 32)
        return grey.expand(len(templates), 3, 32, 32) + self.weight


def judge_it(protocol, decoders, judges):
    options = Options((0.2,), resamples=20)
    return run_protocol(protocol, upper(), decoders, options, judges, progress=False)


@pytest.mark.parametrize(
    ("judges", "card", "said"),
    [
        ({"x": upper()}, None, "the judge x is the attacked recogniser upper itself"),
        ({"x": lower("a"), "y": lower("a")}, None, "the judges x and y are one recogniser, a"),
        (
            {"x": lower("a", {"sha256": "1"}), "y": lower("b", {"sha256": "1"})},
            None,
            "x and y are one recogniser",
        ),
        ({"target": lower()}, None, "a judge cannot be called 'target'"),
        ({"": lower()}, None, "a judge cannot be called ''"),
        ({"x": lower()}, {"encoder": "lower"}, r"x \(lower\) took part in the training of trained"),
        ({"x": lower()}, {"surrogate": {"encoder": "lower"}}, "took part in the training"),
        ({"x": lower("q", {"sha256": "f0"})}, {"white_box": {"sha256": "f0"}}, "took part"),
        (
            {"x": lower("q", {"sha256": "f0"})},
            {"encoder": "a", "encoder_sha256": "f0"},
            "took part",
        ),
        (
            {"x": lower("q", {"data": "SynthFaces 0-9 (10 identities) x 3"})},
            None,
            r"x was trained with SynthFaces 0-9, 4 of the 4 people here \(for example 0\)",
        ),
        ({"x": lower("q", {"data": "SynthFaces 0 (1 identity) x 3"})}, None, "1 of the 4 people"),
    ],
)
def test_who_may_not_judge(drawn, judges, card, said):
    with pytest.raises(NbnetError, match=said):
        judge_it(drawn, [Trained(card)], judges)


def test_a_judge_needs_an_attack(drawn):
    with pytest.raises(NbnetError, match="give a decoder"):
        judge_it(drawn, [], {"x": lower()})


def test_two_of_one_name_are_two_only_where_checksums_tell():
    one, other = (lower("a", {"sha256": text}) for text in "12")
    assert not same_recogniser(one, other) and same_recogniser(one, one)
    assert same_recogniser(one, lower("a")) and same_recogniser(lower("a"), lower("a"))
    assert same_recogniser(one, lower("b", {"sha256": "1"}))
    assert not same_recogniser(lower("a"), lower("b"))


def test_a_card_tells_whom_it_was_trained_with():
    card = {
        "data": "SynthFaces identities 20000-20009,20020 (11) x 5 + SynthFaces 30000-30004 (5) x 2",
        "generator": {"data": "synthfaces:40000-40001x3"},
        "benchmark": {"protocol": {"source": "SynthFaces 0-299"}, "encoder": "b"},
        "encoder": "a",
    }
    spans = [(20000, 20009), (20020, 20020), (30000, 30004), (40000, 40001)]
    assert training_people(card) == spans
    assert recognisers_in(card) == {"a"}
    card = {"surrogate": "a", "surrogates": ["b"], "white_box": "c", "encoders": ["d", {"e": "f"}]}
    assert recognisers_in(card) == {"a", "b", "c", "d", "f"}


def test_people_whom_a_judge_shares_with_others_are_noted(drawn):
    card = {"data": "SynthFaces identities 20000-20999 (1000) x 5 + generator, 64 px"}
    judge = lower("q", {"data": "SynthFaces 20500-30000 (9501 identities) x 3", "what": "a net"})
    found = judge_it(drawn, [Trained(card)], {"x": judge})
    (note,) = [note for note in found.notes if "same people" in note]
    assert note.startswith("the judge x and trained were") and "20500-20999" in note
    assert found.judges["x"].card == judge.card
    other = lower("q", {"data": "SynthFaces 40000-45999 (6000 identities) x 8"})
    found = judge_it(drawn, [Trained(card)], {"x": other})
    assert not [note for note in found.notes if "same people" in note]
