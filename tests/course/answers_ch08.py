"""Chapter 08: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import numpy as np
import torch
import torch.nn.functional as F

RIGHT, SLIPS = {}, {}


def against(logits, low, high, rng):
    labels = torch.from_numpy(rng.uniform(low, high, len(logits))).float()
    return F.binary_cross_entropy_with_logits(logits, labels)


def losses(real=(0.7, 1.2), fake=(0.0, 0.3), aim=(0.7, 1.2), entropy=against, scale=1.0):
    def gan_losses(of_pictures, of_drawings, rng):
        judge = entropy(of_pictures, *real, rng) + entropy(of_drawings, *fake, rng)
        return scale * judge, entropy(of_drawings, *aim, rng)

    return gan_losses


def by_hand(of_pictures, of_drawings, rng):
    """Without numpy, and with the cross entropy written out."""

    def entropy(logits, low, high):
        labels = low + (high - low) * torch.rand_like(logits)
        return (F.softplus(logits) - labels * logits).mean()

    judge = (entropy(of_pictures, 0.7, 1.2) + entropy(of_drawings, 0.0, 0.3)) / 2
    return [judge, entropy(of_drawings, 0.7, 1.2)]


RIGHT["8.1"] = [losses(), by_hand]


def one_label(logits, low, high, rng):
    label = torch.full_like(logits, float(rng.uniform(low, high)))
    return F.binary_cross_entropy_with_logits(logits, label)


def summed(logits, low, high, rng):
    return against(logits, low, high, rng) * len(logits)


def plain(logits, low, high, rng):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, round(low + 0.1)))


def both_in_one(of_pictures, of_drawings, rng):
    judge = against(of_pictures, 0.7, 1.2, rng) + against(of_drawings, 0, 0.3, rng)
    return judge, against(of_drawings, 0.7, 1.2, rng) + against(of_pictures, 0, 0.3, rng)


SLIPS["8.1"] = [
    (losses(entropy=plain), "every label is 1"),
    (losses(entropy=one_label), "one for each picture"),
    (losses(entropy=summed), "sum over the batch"),
    (losses(real=(0.0, 0.3), fake=(0.7, 1.2)), "swapped"),
    (losses(aim=(0.0, 0.3)), "taken for pictures"),
    (losses(real=(0.7, 1.0)), "whole range"),
    (losses(real=(0.9, 1.4)), "look at the range"),
    (both_in_one, "logits of pictures"),
    (lambda a, b, rng: losses()(a, b, rng)[0], "expected two values"),
    (lambda a, b, rng: tuple(x.detach() for x in losses()(a, b, rng)), "no gradient"),
]


def variety(drawn, real):
    return torch.pdist(drawn).mean() / torch.pdist(real).mean()


def with_loops(drawn, real):
    def spread(x):
        x = np.asarray(x)
        pairs = [np.linalg.norm(x[i] - x[j]) for i in range(len(x)) for j in range(i)]
        return sum(pairs) / len(pairs)

    return spread(drawn) / spread(real)


RIGHT["8.2"] = [variety, with_loops]

SLIPS["8.2"] = [
    (lambda d, r: variety(r, d), "upside down"),
    (lambda d, r: torch.pdist(d).mean(), "divide by"),
    (lambda d, r: torch.cdist(d, d).mean() / torch.cdist(r, r).mean(), "to itself"),
    (lambda d, r: (torch.pdist(d) ** 2).mean() / (torch.pdist(r) ** 2).mean(), "square"),
    (lambda d, r: torch.cdist(d, r).mean(), "drawings with drawings"),
    (
        lambda d, r: (d - d.mean(0)).norm(dim=1).mean() / (r - r.mean(0)).norm(dim=1).mean(),
        "distance to the mean",
    ),
    (lambda d, r: d.numpy().std() / r.numpy().std(), "spread of values"),
]


def slerp(a, b, t):
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if angle < 1e-6:
        return (1 - t) * a + t * b
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


def in_its_plane(a, b, t):
    """Turn a towards b in the plane that both span."""
    length = np.linalg.norm(a)
    u = a / length
    side = b - (b @ u) * u
    if np.linalg.norm(side) < 1e-9:
        return list(a)
    v = side / np.linalg.norm(side)
    angle = np.arctan2(b @ v, b @ u) * t
    return torch.from_numpy(length * (np.cos(angle) * u + np.sin(angle) * v))


RIGHT["8.3"] = [slerp, in_its_plane]


def lerp(a, b, t):
    return (1 - t) * a + t * b


def unguarded(a, b, t):
    with np.errstate(all="ignore"):
        angle = np.arccos(np.minimum(a @ b / np.linalg.norm(a) / np.linalg.norm(b), 1.0))
        angle = 0.0 if angle < 1e-6 else angle
        return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


SLIPS["8.3"] = [
    (lerp, "straight line"),
    (lambda a, b, t: slerp(b, a, t), "t = 0 is a"),
    (
        lambda a, b, t: lerp(a, b, t) / np.linalg.norm(lerp(a, b, t)) * np.linalg.norm(a),
        "even pace",
    ),
    (lambda a, b, t: slerp(a, b, t) / np.linalg.norm(a), "keep the length"),
    (unguarded, "sin(0)"),
    (lambda a, b, t: 0.5, "shape"),
]


def share_nearer(drawn, training, held_out):
    first, second = (torch.cdist(drawn, x).min(dim=1).values for x in (training, held_out))
    return (first < second).float().mean()


def one_by_one(drawn, training, held_out):
    count = 0
    for face in np.asarray(drawn):
        first, second = (
            min(np.linalg.norm(face - other) for other in np.asarray(x))
            for x in (training, held_out)
        )
        count += first < second
    return count / len(drawn)


RIGHT["8.4"] = [share_nearer, one_by_one]


def by(reduce, share=torch.mean):
    def answer(drawn, training, held_out):
        first, second = (reduce(torch.cdist(drawn, x)) for x in (training, held_out))
        return share((first < second).float())

    return answer


SLIPS["8.4"] = [
    (lambda d, t, h: 1 - share_nearer(d, t, h), "held-out pictures"),
    (lambda d, t, h: 100 * share_nearer(d, t, h), "percent"),
    (by(lambda x: x.min(1).values, torch.sum), "divide by the number"),
    (by(lambda x: x.mean(1)), "nothing about a copy"),
    (by(lambda x: x.min(0).values), "for each drawing"),
    (lambda d, t, h: torch.cdist(d, t).min(1).values, "expected one number"),
]
