# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 How is verification measured?
#
# **A gate lets 99 % of its rightful users in. Is it a good gate? Nobody can say: an open door does
# better. What else must be told, and how sure can we be of it?**
#
# What you will learn
#
# - genuine and impostor comparisons, and how many of each there are;
# - FAR and TAR, and how a threshold is set so that the FAR is kept;
# - the ROC curve with a logarithmic axis, and the EER;
# - why a FAR of 0.1 % needs many impostors, and how uncertain a TAR is;
# - why the average impostor flatters a system.
#
# | | |
# |---|---|
# | Time | 50 minutes, of which the computer takes less than one |
# | You need | chapter 01 (templates, cosine) |
# | Exercises | 2.1 ★ counting comparisons, 2.2 ★★ threshold, 2.3 ★ TAR, 2.4 ★★★ bootstrap |
#
# Stuck? `hint("2.1")`, then `hint("2.1", level=2)`.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

from nbnet_lib import evaluate
from nbnet_lib.course.check import check
from nbnet_lib.course.explore import explore, show
from nbnet_lib.course.hints import hint  # for you: hint("2.1")  # noqa: F401
from nbnet_lib.course.profile import start

course = start(profile, seed, device)

# %% [markdown]
# ## Two kinds of comparisons
#
# *Verification* answers one question: are these two templates of the same person? To measure it, take
# pictures of people you know and compare every two of them.
#
# - **genuine** comparison: two pictures of the same person. The score should be high.
# - **impostor** comparison: pictures of two different people. The score should be low.
#
# ### Exercise 2.1 ★ counting comparisons
#
# There are `people` people with `samples` pictures each. How many genuine and how many impostor
# comparisons do they make? A with B and B with A count as one, and nobody is compared with the very
# same picture.


# %%
def count_pairs(people, samples):
    """Return (genuine, impostor), the numbers of unordered comparisons."""
    ### BEGIN SOLUTION
    genuine = people * samples * (samples - 1) // 2
    images = people * samples
    return genuine, images * (images - 1) // 2 - genuine
    ### END SOLUTION


check("2.1", count_pairs)

# %% tags=["nbval-check-output"]
for people, samples in [(20, 4), (120, 6), (300, 6)]:
    who = np.repeat(np.arange(people), samples)  # who is on each picture
    alike = who[:, None] == who[None, :]
    once = np.triu(np.ones_like(alike), k=1)  # each pair once, no picture with itself
    print(
        f"{people:3d} people x {samples} pictures: {(alike & once).sum():5,} genuine "
        f"{(~alike & once).sum():9,} impostor"
    )

# %% [markdown]
# (Counted one by one; your formula should agree.) The last line is this course's benchmark: identities 0 to 299, six pictures each. Here we take fewer
# people, so that the pictures are drawn in seconds.

# %%
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render_set, table

n_identities = course.pick(quick=20, laptop=120, gpu=300)
n_samples = course.pick(quick=4, laptop=6)
faces = render_set(range(n_identities), samples=n_samples)
encoder = create_encoder("synth", device=course.device)
templates = encoder.embed(faces.images)  # [N, 64, 64, 3] -> [N, 128]
identities = np.asarray(faces.identities)
genuine, impostor = (np.asarray(s) for s in evaluate.genuine_impostor(templates, identities))
print(
    f"{n_identities} people x {n_samples}: {len(genuine):,} genuine, {len(impostor):,} impostor scores"
)

# %%
bins = np.linspace(-0.6, 1, 81)
figure, axis = plt.subplots(figsize=(7.5, 3))
axis.hist(impostor, bins, density=True, alpha=0.7, color="C1", label="impostor")
axis.hist(genuine, bins, density=True, alpha=0.7, color="C0", hatch="//", label="genuine")
axis.set(xlabel="score (cosine)", ylabel="relative frequency", yticks=[])
axis.legend(frameon=False)
show(
    figure,
    "Histograms of impostor scores around zero and genuine scores around 0.8, overlapping a "
    "little between 0.2 and 0.5.",
)

# %% [markdown]
# ## A threshold, and two ways to be wrong
#
# The system accepts when the score is **above** a threshold. It can then be wrong in two ways:
#
# | name | share of | also called |
# |---|---|---|
# | **FAR**, false accept rate | impostor comparisons accepted | FMR (false match rate, ISO/IEC 19795-1, for single comparisons) |
# | FRR, false reject rate | genuine comparisons refused | FNMR (false non-match rate) |
# | **TAR**, true accept rate | genuine comparisons accepted | 1 - FNMR, GAR |
#
# The threshold trades one for the other. So a TAR without its FAR says nothing: the open door has a
# TAR of 100 %, at a FAR of 100 %. The usual order is: *choose the FAR* that the owner of the gate can
# live with, *set the threshold* on impostor scores so that the FAR is kept, *then* report the TAR.
#
# ### Exercise 2.2 ★★ the threshold at a FAR
#
# With n impostor scores a FAR of `far` allows k = floor(far · n) false accepts. Return the lowest
# threshold that at most k impostor scores lie *above*. Scores that equal the threshold are refused,
# so ties do no harm. (Which score is it, counted from the largest?)


# %%
def threshold_at_far(impostor, far):
    """Return the threshold above which at most floor(far * n) of n impostor scores lie."""
    ### BEGIN SOLUTION
    allowed = int(np.floor(far * len(impostor)))
    return np.sort(impostor)[::-1][allowed]  # the (k+1)-th largest
    ### END SOLUTION


check("2.2", threshold_at_far)

# %% [markdown]
# ### Exercise 2.3 ★ the TAR at a threshold


# %%
def tar_at(genuine, threshold):
    """Return the share (0 to 1) of genuine scores that are accepted."""
    ### BEGIN SOLUTION
    return np.mean(genuine > threshold)
    ### END SOLUTION


check("2.3", tar_at)

# %%
for far in [0.1, 0.01, 0.001]:
    t = evaluate.threshold_at_far(impostor, far)
    print(f"FAR {far:6.1%}: threshold {t:.3f}, TAR {evaluate.tar_at(genuine, t):6.1%}")

# %% [markdown]
# ## Move the threshold


# %%
def gate(threshold=0.4):
    """Score histograms with a movable threshold, and the FAR and TAR it gives."""
    false_accepts, accepts = (evaluate.tar_at(s, threshold) for s in (impostor, genuine))
    figure, axis = plt.subplots(figsize=(7.5, 3))
    for scores, color, label in [(impostor, "C1", "impostor"), (genuine, "C0", "genuine")]:
        axis.hist(scores, bins, density=True, alpha=0.25, color=color)
        height, _ = np.histogram(scores, bins, density=True)
        accepted = bins[:-1] > threshold - 1e-9  # edges are rounded
        axis.bar(
            bins[:-1][accepted],
            height[accepted],
            np.diff(bins)[accepted],
            align="edge",
            color=color,
            alpha=0.8,
            label=f"{label} accepted",
        )
    axis.axvline(threshold, color="black")
    axis.set(
        xlabel="score",
        yticks=[],
        title=f"threshold {threshold:.2f}: FAR {false_accepts:.3%}, TAR {accepts:.1%}",
    )
    axis.legend(frameon=False, loc="upper left")
    return figure


explore(gate, threshold=(-0.4, 0.9, 0.02))
# %% [markdown]
# ## All thresholds at once: the ROC curve
#
# Slide the threshold from high to low and note (FAR, TAR) at every score: that is the **ROC curve**.
# Security lives at small FARs, which a linear axis squeezes into the left edge; hence the logarithmic
# axis. The **EER** (equal error rate) is where FAR and FRR are equal. It is one number and easy to
# quote, but no gate runs there: at an EER of 2 % every fiftieth stranger walks in.

# %%
far, tar, _ = (np.asarray(x) for x in evaluate.roc(genuine, impostor))
equal = float(evaluate.eer(genuine, impostor))
figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.5))
axes[0].plot(far, tar)
axes[0].set(title="linear axis: a perfect corner", xlabel="FAR", ylabel="TAR", ylim=(0, 1.02))
positive = far > 0
axes[1].semilogx(far[positive], tar[positive])
axes[1].plot(equal, 1 - equal, "o", color="C3", label=f"EER {equal:.2%}")
axes[1].axvline(1 / len(impostor), color="0.6", linestyle=":", label="one impostor")
for target in [0.01, 0.001]:
    axes[1].axvline(target, color="0.85", zorder=0)
axes[1].set(title="logarithmic axis: the part that matters", xlabel="FAR", ylim=(0, 1.02))
axes[1].legend(frameon=False, loc="lower right")
show(
    figure,
    "The same ROC curve twice. With a linear axis it looks perfect; with a logarithmic FAR axis "
    "the TAR is seen to fall towards small FARs.",
)
print(f"EER {equal:.2%} at {len(impostor):,} impostor scores")

# %% [markdown]
# Left of the dotted line (one impostor out of all) the curve is made of nothing.
#
# ## Why 0.1 % needs many impostors
#
# At a FAR of 0.1 % one impostor in a thousand passes. With 2,000 impostor scores the threshold hangs
# on *two* of them. Two rules of thumb:
#
# - **Rule of 3.** No error seen in n independent trials: the true rate may still be as high as 3/n
#   (95 % confidence). To claim 0.1 % you need 3,000 impostor comparisons *without* an error.
# - **Rule of 30.** To know a rate within ±30 % of itself (90 % confidence) you need 30 errors
#   (Doddington et al. 2000). At 0.1 % that is 30,000 impostor comparisons.
#
# And both suppose *independent* comparisons. Ours are not: one person takes part in thousands. So
# let us see what happens: draw impostor scores of a few people, set the threshold, and look at what
# FAR it really has on everybody.

# %%
rng = course.rng(2)
aimed = course.pick(quick=0.01, laptop=0.001)
similarity = (templates @ templates.T).numpy()
different = np.triu(identities[:, None] != identities[None, :], k=1)
sizes = [n for n in (5, 10, 20, 40, 80) if n < n_identities]
repeats = course.pick(quick=40, laptop=200)

realised = []
for size in sizes:
    rates = []
    for _ in range(repeats):
        drawn = np.isin(identities, rng.choice(n_identities, size, replace=False))
        few = similarity[np.ix_(drawn, drawn)][different[np.ix_(drawn, drawn)]]
        with warnings.catch_warnings():  # the library warns of too few scores; we do it on purpose
            warnings.simplefilter("ignore", UserWarning)
            t = evaluate.threshold_at_far(few, aimed)
        rates.append(evaluate.tar_at(impostor, t))
    realised.append(rates)

figure, axis = plt.subplots(figsize=(7.5, 3.2))
axis.boxplot(
    realised,
    tick_labels=[f"{n} people\n{n * (n - 1) // 2 * n_samples**2:,}" for n in sizes],
    whis=(5, 95),
    showfliers=False,
)
axis.axhline(aimed, color="C3", label=f"aimed at: FAR {aimed:.1%}")
axis.set(
    yscale="symlog",
    xlabel="people, and impostor comparisons, used to set the threshold",
    ylabel="FAR on everybody",
    ylim=(0, None),
)
axis.set_yscale("symlog", linthresh=aimed / 10)
axis.legend(frameon=False)
show(
    figure,
    "Box plots of the false accept rate that thresholds really have, for thresholds set on "
    "ever more people: with few people they miss the aim several times over, with many they come near it.",
)
for size, rates in zip(sizes, realised, strict=True):
    low, high = np.quantile(rates, [0.05, 0.95])
    print(
        f"{size:3d} people: aimed at {aimed:.2%}, 90 % of the thresholds gave {low:.3%} to {high:.3%}"
    )

# %% [markdown]
# ## How sure is a TAR?
#
# Somebody reports "TAR 92 %". On other people it would have been another number. The **bootstrap**
# estimates how much other: draw the same number of people *with replacement*, compute the TAR again,
# many times; the middle 95 % of the results is the interval.
#
# What is drawn matters. The comparisons of one person stand or fall together (a person who is badly
# recognised is badly recognised in all pairs), so people are drawn, not comparisons. Drawing
# comparisons gives an interval that is too narrow: a promise that will be broken.
#
# ### Exercise 2.4 ★★★ bootstrap over identities
#
# `accepted[i, j]` says whether genuine comparison j of person i was accepted. Return the 95 %
# interval of the TAR from `repeats` drawings of people with the numpy generator `rng`.


# %%
def bootstrap_interval(accepted, rng, repeats=1000):
    """Return (low, high) of the TAR for a bool array accepted [people, comparisons]."""
    ### BEGIN SOLUTION
    people = len(accepted)
    tars = [accepted[rng.integers(0, people, people)].mean() for _ in range(repeats)]
    low, high = np.quantile(tars, [0.025, 0.975])
    return low, high
    ### END SOLUTION


check("2.4", bootstrap_interval)

# %%
target = course.pick(quick=0.01, laptop=0.001)
threshold = float(evaluate.threshold_at_far(impostor, target))
first, second = np.nonzero(np.triu(identities[:, None] == identities[None, :], k=1))
accepted = similarity[first, second] > threshold
print(f"TAR at FAR {target:.1%}: {accepted.mean():.1%}")
for label, owner in [
    ("people drawn (right)", identities[first]),
    ("comparisons drawn (too narrow)", np.arange(len(first))),
]:
    low, high = evaluate.bootstrap_rate(accepted, owner, seed=seed)
    print(
        f"{label:32s} 95 % interval {low:.1%} to {high:.1%}, width {100 * (high - low):.1f} points"
    )

# %% [markdown]
# The threshold was kept fixed here, and such an interval is too short: other people would have set
# another threshold. `nbnet evaluate` sets it anew in each draw (`evaluate.IdentityBootstrap`), and
# `nbnet_lib/evaluate/EVALUATION.md` says how often which kind of interval holds the truth.
#
# ## The average impostor flatters
#
# An impostor who looks like you is not drawn at random. Restrict the impostor comparisons to people
# of the same "gender" and the same main "ancestry" (*parameters of the graphics model*: which base
# head shape was chosen), keep the FAR, and the threshold must rise:

# %%
truth = table(range(n_identities)).set_index("identity").loc[identities]
group = (truth["gender"] + " " + truth["ancestry_main"]).to_numpy(dtype=str)
hard = similarity[different & (group[:, None] == group[None, :])]
easy = similarity[different & (group[:, None] != group[None, :])]
threshold_all = float(evaluate.threshold_at_far(impostor, target))
threshold_hard = float(evaluate.threshold_at_far(hard, target))
print(f"impostors            comparisons   threshold at FAR {target:.1%}   TAR")
for label, scores in [("all", impostor), ("same group", hard), ("other group", easy)]:
    t = float(evaluate.threshold_at_far(scores, target))
    print(f"{label:18s} {len(scores):12,} {t:20.3f} {evaluate.tar_at(genuine, t):13.1%}")
print(
    f"The threshold set on all impostors lets {np.mean(hard > threshold_all):.1%} of same-group impostors in."
)

figure, axis = plt.subplots(figsize=(7.5, 3))
for scores, color, label in [
    (easy, "C2", "impostor, other group"),
    (hard, "C1", "impostor, same group"),
    (genuine, "C0", "genuine"),
]:
    axis.hist(scores, bins, density=True, histtype="step", linewidth=2, color=color, label=label)
axis.axvline(threshold_all, color="0.5", linestyle=":", label="threshold, all impostors")
axis.axvline(threshold_hard, color="black", linestyle="--", label="threshold, same group")
axis.set(xlabel="score", yticks=[])
axis.legend(frameon=False, fontsize=8)
show(
    figure,
    "Outlines of three score histograms. Impostors of the same group score higher than those of "
    "another group, so the threshold for the same false accept rate lies further right.",
)

# %% [markdown]
# A system tested on all impostors keeps its promise *on average* and breaks it for every attacker who
# can choose whom to imitate. The same arithmetic is behind reports that false match rates differ
# between demographic groups (Grother, Ngan and Hanaoka 2019).
#
# ## What can go wrong
#
# - **A TAR without its FAR**, or with a threshold chosen on the same genuine scores that are reported.
# - **A FAR that the data cannot carry.** The library warns when far · n is below 1. Believe it.
# - **Comparing an image with itself.** A score of 1 for each image makes every system look better.
# - **>= in one place and > in another.** With rounded scores (8-bit!) ties are many.
# - **Thresholds copied from another data set.** A threshold belongs to an encoder *and* a population.
# - **Intervals over comparisons.** Draw people.
#
# ## For those who defend
#
# The threshold is the one knob that an operator has. Chapter 04 attacks through the front door: it
# shows a reconstructed face to the very system and asks whether it scores above the threshold. A
# stricter FAR lowers the attack's success and the comfort of honest users alike, so report both, set
# the FAR from the harm that a false accept does, use impostors that look like an attacker's choice,
# and repeat the measurement whenever the encoder or the population changes.
#
# ## Summary
#
# - Genuine and impostor scores; accept when the score is above the threshold.
# - FAR first: with k = floor(far · n) the threshold is the (k+1)-th largest impostor score.
# - ROC with a logarithmic FAR axis; the EER is a summary, not an operating point.
# - 3/n and 30 errors; people, not comparisons, are drawn for an interval.
# - Hard impostors cost more than the average tells.
#
# Next: [03 Neighbourly de-convolution](03_neighbourly_deconvolution.ipynb)
#
# ## References
#
# - ISO/IEC 19795-1: Biometric performance testing and reporting, part 1. 2021.
# - T. Fawcett: An introduction to ROC analysis. Pattern Recognition Letters 27(8), 2006.
# - J. A. Hanley, A. Lippman-Hand: If nothing goes wrong, is everything all right? JAMA 249(13), 1983.
# - G. R. Doddington, M. A. Przybocki, A. F. Martin, D. A. Reynolds: The NIST speaker recognition
#   evaluation. Speech Communication 31, 2000.
# - P. Grother, M. Ngan, K. Hanaoka: Face Recognition Vendor Test, part 3: Demographic effects.
#   NISTIR 8280, 2019.
