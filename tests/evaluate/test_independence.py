"""Who may judge an attack, and what cards tell of it."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import Options, run_protocol, synthfaces
from nbnet_lib.evaluate.judges import same_recogniser
from nbnet_lib.evaluate.provenance import recognisers_in, training_people
from nbnet_lib.faces import to_tensor
from nbnet_lib.faces.framing import FRAMINGS


class Half:
    """A recogniser that sees one half of the picture only, as 4 x 8 colours."""

    image_size, template_dim = 32, 96

    def __init__(self, name, rows, card=None):
        self.name, self.rows, self.card = name, rows, card

    def embed(self, images, batch_size=256, progress=False, framing=None):
        if isinstance(images, np.ndarray):
            images = to_tensor(images)
        tiles = F.adaptive_avg_pool2d(images.float(), (8, 8))[:, :, self.rows]
        return F.normalize(tiles.flatten(1), dim=1)


def upper(name="upper", card=None):
    return Half(name, slice(0, 4), card)


def lower(name="lower", card=None):
    return Half(name, slice(4, 8), card)


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


def test_people_whom_a_judge_shares_with_others_are_told(drawn):
    card = {"data": "SynthFaces identities 20000-20999 (1000) x 5 + generator, 64 px"}
    judge = lower("q", {"data": "SynthFaces 20500-30000 (9501 identities) x 3", "what": "a net"})
    found = judge_it(drawn, [Trained(card)], {"x": judge})
    (note,) = [note for note in found.notes if "same people" in note]
    assert note.startswith("the judge x and trained were") and "20500-20999" in note
    assert found.judges["x"].card == judge.card
    other = lower("q", {"data": "SynthFaces 40000-45999 (6000 identities) x 8"})
    found = judge_it(drawn, [Trained(card)], {"x": other})
    assert not [note for note in found.notes if "same people" in note]
