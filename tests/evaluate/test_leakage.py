"""Probes find what is there and nothing else: nobody is asked about who was trained on."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate import probes
from nbnet_lib.evaluate.leakage import DEFAULT_ATTRIBUTES, leakage
from nbnet_lib.evaluate.tables import leakage_table
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.faces import describe, render_set, table

PEOPLE, PICTURES, LENGTH = 60, 5, 24
WHO = np.repeat(np.arange(PEOPLE) * 7 + 3, PICTURES)  # identity numbers need not be 0, 1, 2


def clustered(seed=0, spread=0.2):
    """Templates that tell people apart with ease: a point per person, pictures close to it."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(PEOPLE, LENGTH)).repeat(PICTURES, axis=0)
    return centres + spread * rng.normal(size=centres.shape)


def of_people(values):
    return np.asarray(values).repeat(PICTURES)


def measure(templates, who=WHO, permutations=9, resamples=200, **columns):
    return leakage(templates, who, pd.DataFrame(columns), permutations=permutations,
                   resamples=resamples)  # fmt: skip


def test_finds_what_is_there():
    x = clustered()
    found = measure(
        x,
        flag=x[:, 0] + x[:, 1] > 0,
        word=np.array(["low", "middle", "high"])[np.digitize(x[:, 2], [-0.4, 0.4])],
        number=1000 + 50 * x[:, 3],
    )
    assert found["flag"].score > 0.85 and found["flag"].more["auc"] > 0.92
    assert found["word"].score > 0.6 and found["word"].classes == ("high", "low", "middle")
    assert found["number"].score > 0.85 and found["number"].more["spearman"] > 0.85
    assert found["number"].more["mae"] < 0.5 * found["number"].more["dummy_mae"]
    for row in found.rows:
        assert row.low < row.score < row.high and row.p == 1 / 10 and row.of == "picture"
        assert row.chance_low < row.chance < row.chance_high < row.low
    assert found["flag"].chance == pytest.approx(0.5, abs=0.05)
    assert found["word"].chance == pytest.approx(1 / 3, abs=0.05)
    assert found["word"].more["dummy"] == pytest.approx(1 / 3)


def test_memorising_people_does_not_help():
    """Split by picture, a probe would know each person from another picture and score 1."""
    rng = np.random.default_rng(1)
    found = measure(
        clustered(spread=0.02),
        flag=of_people(rng.permutation(PEOPLE) % 2 == 0),
        word=of_people(np.array(["a", "b", "c"])[rng.permutation(PEOPLE) % 3]),
        number=of_people(rng.normal(size=PEOPLE)),
    )
    assert [row.of for row in found.rows] == ["identity"] * 3
    assert found["flag"].score < 0.75 and found["word"].score < 0.6 and found["number"].score < 0.1
    # The chance level would be as wrong, and hide it: shuffled labels are memorised as well.
    assert found["flag"].chance < 0.6 and found["number"].chance < 0.05


def test_p_is_as_often_small_as_it_says():
    """Of 300 attributes without a trace in the templates 5.7 % had p <= 0.05, 11 % p <= 0.1 and
    53 % p <= 0.5 (five sets of templates like these). With pictures shuffled one by one it was
    10 % with p <= 0.5: people make a worse R2 than pictures do, even without any relation.
    """
    rng = np.random.default_rng(4)
    p, columns = [], []
    for _ in range(80):
        number = of_people(rng.normal(size=PEOPLE))
        shuffled = [probes.shuffle_between_identities(number, WHO, rng) for _ in range(9)]
        columns += [number, *shuffled]
    y = np.stack(columns, axis=1)
    scores = r2_score(
        y,
        probes.ridge_predictions(clustered(spread=0.02), y, WHO, 5, 0),
        multioutput="raw_values",
    ).reshape(80, 10)
    p = (scores >= scores[:, :1]).mean(axis=1)  # the true one counts itself
    assert (p <= 0.1).mean() < 0.2 and 0.35 < (p <= 0.5).mean() < 0.7


def test_shuffling_moves_whole_people():
    rng = np.random.default_rng(4)
    who = rng.permutation(WHO)
    person = who * 1.5
    moved = probes.shuffle_between_identities(person, who, rng)
    assert (moved != person).mean() > 0.9
    assert all(len(set(moved[who == i])) == 1 for i in np.unique(who))
    assert sorted(moved) == sorted(person)
    # Values of pictures stay with the values that they came with.
    pictures = np.arange(len(who))
    moved = probes.shuffle_between_identities(pictures, who, rng)
    assert all(len(set(who[moved[who == i]])) == 1 for i in np.unique(who))
    assert sorted(moved) == sorted(pictures)


def test_shuffling_with_unequal_numbers_of_pictures():
    who = np.array([0, 0, 0, 1, 2, 2])
    for seed in range(5):
        moved = probes.shuffle_between_identities(who, who, np.random.default_rng(seed))
        assert all(len(set(moved[who == i])) == 1 for i in range(3))
        assert {int(moved[who == i][0]) for i in range(3)} == {0, 1, 2}


@pytest.mark.parametrize("classes", [None, 2, 5])
def test_folds_share_no_identity(classes):
    rng = np.random.default_rng(5)
    who = rng.permutation(WHO)
    y = None if classes is None else rng.integers(classes, size=len(who))
    seen = []
    for train, test in probes.folds_by_identity(who, 5, 0, y):
        assert not set(who[train]) & set(who[test])
        assert sorted([*train, *test]) == list(range(len(who)))
        assert len(set(who[test])) == 12
        seen += test.tolist()
    assert sorted(seen) == list(range(len(who)))


def test_every_fold_gets_its_share_of_a_rare_class():
    rare = of_people(np.arange(PEOPLE) < 10).astype(int)
    for train, test in probes.folds_by_identity(WHO, 5, 3, rare):
        assert rare[test].sum() == 2 * PICTURES and rare[train].sum() == 8 * PICTURES


def test_labels_of_a_fold_do_not_touch_its_predictions():
    """Neither the penalty nor the probe may have seen what is scored."""
    x = clustered()
    y = x[:, :2].copy()
    before = probes.ridge_predictions(x, y, WHO, 5, seed=0)
    for _, test in probes.folds_by_identity(WHO, 5, 0):
        changed = y.copy()
        changed[test] = np.random.default_rng(0).normal(1e3, 1e3, size=changed[test].shape)
        after = probes.ridge_predictions(x, changed, WHO, 5, seed=0)
        np.testing.assert_array_equal(after[test], before[test])
        assert not np.allclose(after, before)


def test_intervals_equal_resampling_by_hand():
    rng = np.random.default_rng(7)
    who = np.repeat([4, 5, 6, 9, 11, 30], [2, 3, 1, 4, 2, 3])
    y, guess = rng.integers(3, size=len(who)), rng.integers(3, size=len(who))
    value = rng.normal(5, 1, size=len(who))
    near = value + rng.normal(size=len(who))
    draws = IdentityBootstrap(who, 40, seed=0)
    accuracy = probes.balanced_accuracy_draws(y, guess, who, draws)
    r2 = probes.r2_draws(value, near, who, draws)
    for r, weights in enumerate(draws.weights):
        rows = np.repeat(np.arange(len(who)), weights[draws.index(who)])
        assert accuracy[r] == pytest.approx(
            np.mean([(guess[rows] == k)[y[rows] == k].mean() for k in set(y[rows])])
        )
        assert r2[r] == pytest.approx(r2_score(value[rows], near[rows]))
    assert np.ptp(accuracy) > 0


def test_rare_classes_do_not_hide_behind_frequent_ones():
    """5 of 6 people are of one class: always saying it is accuracy 0.83, but balanced 0.5."""
    rng = np.random.default_rng(8)
    rare = of_people(np.arange(PEOPLE) % 6 == 0)
    x = rng.normal(size=(len(WHO), LENGTH))
    row = measure(x, permutations=1, rare=rare)["rare"]
    assert row.more["dummy"] == 0.5 and row.score < 0.65
    x[:, 0] += 1.5 * rare  # a hint: not weighed, it would be outvoted
    assert measure(x, permutations=1, rare=rare)["rare"].score > 0.64


def test_what_cannot_be_measured_is_said():
    n = len(WHO)
    few = np.where(of_people(np.arange(PEOPLE) < 30), 1.0, np.nan)
    few[of_people(np.arange(PEOPLE) >= 6)] = np.nan
    found = measure(
        clustered(),
        constant=np.full(n, "x"),
        flat=np.full(n, 2.5),
        few=few,
        none=np.full(n, np.nan),
        names=of_people([f"person {i}" for i in range(PEOPLE)]),
        rare=of_people(np.arange(PEOPLE) < 9),
    )
    message = {row.attribute: row.reason for row in found.rows}
    assert message == {
        "constant": "one value",
        "flat": "one value",
        "few": "6 identities with a value, 10 needed",
        "none": "0 identities with a value, 10 needed",
        "names": "fewer than two classes of 10 identities",
        "rare": "fewer than two classes of 10 identities",
    }
    assert all(row.kind == "not measurable" and row.score is None for row in found.rows)
    assert found["rare"].left_out == "True (9 identities)"
    assert leakage_table({"leakage": found.to_dicts()}).loc["rare", "score"] == message["rare"]


def test_what_is_left_out_is_said():
    hair = of_people(np.array(["black", "brown", "red"])[[*[0] * 26, *[1] * 28, *[2] * 6]])
    age = of_people(np.arange(PEOPLE, dtype=float))
    age[:7] = np.nan
    found = measure(clustered(), permutations=2, hair=hair, age=age)
    assert found["hair"].classes == ("black", "brown") and found["hair"].identities == 54
    assert found["hair"].left_out == "red (6 identities)" and found["hair"].pictures == 270
    assert found["age"].left_out == "7 pictures without a value"
    assert (found["age"].pictures, found["age"].identities) == (293, 59)
    assert np.isfinite([found["age"].score, found["hair"].score]).all()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.Series(WHO % 2 == 0), "classes"),
        (pd.Series(WHO % 2 == 0, dtype="boolean"), "classes"),
        (pd.Series(WHO % 10), "classes"),
        (pd.Series(WHO % 11), "number"),
        (pd.Series(WHO % 20, dtype="Int64"), "number"),
        (pd.Series(WHO % 2, dtype="float32"), "number"),
        (pd.Series((WHO % 2).astype(str)), "classes"),
        (pd.Series((WHO % 2).astype(str), dtype=object), "classes"),
        (pd.Series((WHO % 2).astype(str), dtype="category"), "classes"),
    ],
)
def test_kinds(values, kind):
    frame = pd.DataFrame({"a": values.sample(frac=1, random_state=0).reset_index(drop=True)})
    row = leakage(clustered(), WHO, frame, permutations=1, resamples=20)["a"]
    assert row.kind == kind
    assert row.measure == {"classes": "balanced accuracy", "number": "R2"}[kind]


def test_results_leave_as_frame_json_and_table():
    x = clustered()
    found = measure(x, permutations=2, flag=x[:, 0] > 0, number=x[:, 1], constant=np.ones(len(x)))
    rows = json.loads(json.dumps(found.to_dicts(), allow_nan=False))
    assert [row["attribute"] for row in rows] == ["flag", "number", "constant"]
    assert rows[0]["score"] == found["flag"].score and rows[0]["classes"] == ["False", "True"]
    frame = found.to_frame()
    assert frame.loc["number", "score"] == found["number"].score
    assert {"low", "high", "chance", "p", "auc", "mae", "reason"} <= set(frame)
    table = leakage_table({"leakage": rows})
    assert table.loc["flag", "measure"] == "balanced accuracy (2 classes)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributes": pd.DataFrame({"a": [1, 2]})}, "300 templates but 2 rows of attributes"),
        ({"identities": WHO[:5]}, "300 templates but identities"),
        ({"templates": np.zeros((300, 4))}, "all zeros"),
    ],
)
def test_bad_input(change, message):
    good = {"templates": clustered(), "identities": WHO, "attributes": pd.DataFrame({"a": WHO})}
    with pytest.raises(NbnetError, match=message):
        leakage(**{**good, **change})


def test_default_attributes_are_those_of_the_ground_truth():
    known = describe()
    assert set(DEFAULT_ATTRIBUTES) <= set(known.index)
    assert set(known.loc[list(DEFAULT_ATTRIBUTES), "of"]) == {"identity", "sample"}


def test_the_shipped_encoder_gives_away_gender_but_no_random_number():
    from nbnet_lib.encoders import create_encoder

    faces = render_set(range(40), 2, size=64, progress=False)
    templates = create_encoder("synth").embed(faces.images)
    truth = table(range(40), 2, columns=["gender", "skin_seed"])[["gender", "skin_seed"]]
    found = leakage(templates, faces.identities, truth, folds=3, permutations=19, resamples=200)
    assert found["gender"].score > 0.65 and found["gender"].p == 0.05
    assert found["skin_seed"].score < 0.1 and found["skin_seed"].p > 0.05
