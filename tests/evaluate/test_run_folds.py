"""Protocols of folds and of random trials, end to end, against the same numbers by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.decoders import create_decoder
from nbnet_lib.evaluate import Options, embed_reconstructions, run_protocol, threshold_at_far
from nbnet_lib.evaluate.protocols import Trial, from_csv, lfw_blufr
from nbnet_lib.evaluate.report import write_report
from nbnet_lib.evaluate.trial import identify
from nbnet_lib.evaluate.uncertainty import IdentityBootstrap
from nbnet_lib.faces import to_tensor

FOLDS, PEOPLE, SHOTS = 3, 4, 3


class TileEncoder:
    """Mean colours of 4 x 4 tiles."""

    name, template_dim, image_size = "tiles", 48, 32

    def embed(self, images, batch_size=256, progress=False, framing=None):
        if isinstance(images, np.ndarray):
            images = to_tensor(images)
        return F.normalize(F.adaptive_avg_pool2d(images, (4, 4)).flatten(1), dim=1)


@pytest.fixture(scope="module")
def decoder():
    torch.manual_seed(0)
    return create_decoder("dcnn", 48, 40, base_channels=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise pictures of 12 people x 3, and lists of them: folds, and sets with training people."""
    from PIL import Image

    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    folds, sets = ["image,identity,fold"], ["image,identity,set"]
    for person in range(FOLDS * PEOPLE):
        face = rng.integers(0, 256, (4, 4, 3)).repeat(8, 0).repeat(8, 1)
        (root / f"p{person:02d}").mkdir()
        for shot in range(SHOTS):
            name = f"p{person:02d}/p{person:02d}_{shot + 1:04d}.png"
            noise = rng.normal(0, 60, (4, 4, 3)).repeat(8, 0).repeat(8, 1)
            Image.fromarray((face + noise).clip(0, 255).astype(np.uint8)).save(root / name)
            folds.append(f"{name},p{person},{person % FOLDS}")
            sets.append(f"{name},p{person},{'train' if person < 4 else 'test'}")
    (root / "folds.csv").write_text("\n".join(folds), encoding="utf-8")
    (root / "sets.csv").write_text("\n".join(sets), encoding="utf-8")
    return root


def all_templates(protocol):
    return TileEncoder().embed(np.concatenate(list(protocol.pictures.batches(32))))


def test_folds_by_hand(folder, decoder, tmp_path):
    protocol = from_csv(folder / "folds.csv")
    result = run_protocol(protocol, TileEncoder(), [decoder], Options(fars=(0.1,)), progress=False)
    x = all_templates(protocol)
    y = embed_reconstructions(TileEncoder(), decoder, x).numpy()
    x, who = x.numpy(), protocol.pictures.identities
    score, rebuilt = x @ x.T, y @ x.T
    fold = np.empty(len(who), int)
    for number, trial in enumerate(protocol.trials):
        fold[trial.rows] = number
    j, k = np.triu_indices(len(who), 1)
    inside = fold[j] == fold[k]
    j, k = j[inside], k[inside]
    same = who[j] == who[k]
    expected = {"tar": [], "far": [], "type1": [], "type2": [], "accuracy": []}
    for number in range(FOLDS):
        here = fold[j] == number
        threshold = threshold_at_far(score[j, k][~here & ~same], 0.1)
        passed = score[j, k] > threshold
        expected["tar"].append(passed[here & same].mean())
        expected["far"].append(passed[here & ~same].mean())
        a, b = j[here & same], k[here & same]
        both = np.append(rebuilt[a, b], rebuilt[b, a])
        expected["type2"].append((both > threshold).mean())
        targets = np.unique(np.append(a, b))
        expected["type1"].append((rebuilt[targets, targets] > threshold).mean())
        others = score[j, k][~here]
        right = [((others > t) == same[~here]).sum() for t in np.unique(others)]
        limit = np.unique(others)[int(np.argmax(right))]
        expected["accuracy"].append(((score[j, k][here] > limit) == same[here]).mean())
    name = result.decoders[0]
    for key, row in {
        "tar": result.get("tar", kind="original", far=0.1),
        "far": result.get("far", far=0.1),
        "type1": result.get("tar", name, "type1", 0.1),
        "type2": result.get("tar", name, "type2", 0.1),
        "accuracy": result.get("accuracy"),
    }.items():
        values = np.array(expected[key])
        assert row.value == pytest.approx(values.mean()), key
        assert row.se == pytest.approx(values.std(ddof=1) / np.sqrt(FOLDS)), key
    assert result.paired == [] and result.per_identity is None
    page = write_report(result, tmp_path / "folds.html").read_text(encoding="utf-8")
    assert "ROC of all trials" in page and "standard error over folds" in page


def test_people_for_training_are_nobodys_targets(folder, decoder):
    protocol = from_csv(folder / "sets.csv")
    result = run_protocol(
        protocol,
        TileEncoder(),
        [decoder],
        Options(fars=(0.1,), resamples=20, quality=True),
        progress=False,
    )
    tested = 8 * SHOTS
    (name,) = result.decoders
    assert result.get("psnr", name, "type1").n == tested
    assert result.get("tar", name, "type1", 0.1).n == tested
    trained = all_templates(protocol).numpy()[protocol.trials[0].train]
    assert len(trained) == 4 * SHOTS
    originals = protocol.pictures.read(protocol.trials[0].train, 40)
    for shown in result.strips[name].originals:
        assert not (originals == shown).all(axis=(1, 2, 3)).any()


def test_random_trials(folder, decoder, tmp_path):
    protocol = lfw_blufr(folder, seed=1, trials=3)
    result = run_protocol(protocol, TileEncoder(), [decoder], Options(fars=(0.1,)), progress=False)
    assert result.interval["method"].startswith("none")
    row = result.get("tar", kind="original", far=0.1)
    assert row.sd is not None and row.low is row.se is None
    page = write_report(result, tmp_path / "trials.html").read_text(encoding="utf-8")
    assert "whiskers: one standard deviation" in page


def test_open_set_thresholds_of_each_draw_by_hand():
    rng = np.random.default_rng(0)
    owners = np.repeat(np.arange(3, 12), 4)
    scores = rng.random(36).round(2).astype(np.float32)
    draws = IdentityBootstrap(np.arange(14), 250, seed=2)
    for weights, found in zip(
        draws.weights, draws.probe_threshold(scores, owners, 0.2), strict=True
    ):
        repeated = np.repeat(scores, weights[owners])
        if not len(repeated):
            assert np.isnan(found)
        elif len(repeated) >= 5:
            assert found == threshold_at_far(repeated, 0.2)
        else:
            assert found == repeated.max()


def test_intervals_of_the_open_set_cover():
    """60 people: with the strangers' threshold held still, 7 of 10 intervals held the truth."""
    values, intervals = [], []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        centre = rng.normal(size=(60, 16))
        centre /= np.linalg.norm(centre, axis=1, keepdims=True)
        who = np.repeat(np.arange(60), 4)
        x = (centre[who] + 0.75 / 4 * rng.normal(size=(240, 16))).astype(np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        rows, first = np.arange(240), np.arange(240) % 4 == 0
        probes = {"others": rows[(who < 40) & ~first], "strangers": rows[who >= 40]}
        trial = Trial(rows, gallery=rows[(who < 40) & first], probes=probes)
        draws = IdentityBootstrap(who[~((who < 40) & first)], 200, seed)
        measures, _ = identify(trial, x, who, {}, (0.05,), draws, [])
        (row,) = (m for m in measures if m.measure == "dir")
        values.append(row.value)
        intervals.append((row.low, row.high))
    low, high = np.array(intervals).T
    assert ((low <= np.mean(values)) & (np.mean(values) <= high)).mean() >= 0.88
