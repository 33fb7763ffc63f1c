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

# %% [markdown] tags=["slide"]
# # 02 Verifying and identifying
#
# **A gate lets 99 % of its rightful users in. Is it a good gate? Nobody can say: an open door does
# better. What else must be told, how sure can we be of it, and what changes when the gate does not ask
# "is it you?" but "who is it?"**

# %% [markdown]
# What you will learn
#
# - genuine and impostor comparisons, FAR and TAR, and how a threshold is set so that the FAR is kept;
# - to read and draw a ROC, a DET and a CMC curve, and what each of them hides;
# - why a FAR of 0.1 % needs many impostors, how uncertain a TAR is, and why people are drawn;
# - why the average impostor flatters a system;
# - what a growing gallery does to identification: less to the hits, much more to the false alarms.
#
# | | |
# |---|---|
# | Time | 75 minutes without Stretch, of which the computer takes less than one |
# | You need | chapter 01 (templates, cosine) |
# | Exercises | 2.1 ★ counting, 2.2 ★★ threshold, 2.3 ★ TAR, 2.4 ★★ bootstrap, 2.5 ★★ rank-k |
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
from nbnet_lib.course import check, explore, hint, quiz, show, start  # hint("2.1") helps  # noqa: F401

course = start(profile, seed, device)

# %% [markdown] tags=["slide"]
# ## Two kinds of comparisons
#
# *Verification* answers one question: are these two templates of the same person? To measure it, take
# pictures of people you know and compare every two of them.
#
# - **genuine** comparison: two pictures of the same person. The score should be high.
# - **impostor** comparison: pictures of two different people. The score should be low.

# %% [markdown]
# ### Exercise 2.1 ★ counting comparisons
#
# There are `people` people with `samples` pictures each. How many genuine and how many impostor
# comparisons do they make? A with B and B with A count as one, and nobody is compared with the very
# same picture. Before you compute: with 300 people and 6 pictures each, how many times as many
# impostor as genuine comparisons are there? Ten? A hundred?


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
for people, samples in [(1, 6), (20, 4), (120, 6), (300, 6)]:
    who = np.repeat(np.arange(people), samples)  # whose picture: 0, 0, ..., 1, 1, ...
    genuine = np.triu(who[:, None] == who, k=1).sum()  # above the diagonal: each pair once
    impostor = np.triu(who[:, None] != who, k=1).sum()
    print(
        f"{people:3d} people x {samples}: {genuine:5,} genuine, {impostor:9,} impostor comparisons"
    )

# %% [markdown]
# The last line is this course's benchmark: identities 0 to 299, six pictures each, and 359 times as many
# impostor as genuine comparisons. A laptop takes fewer people, so that everything is drawn in seconds.
# To the encoder they are all strangers: it was trained on other identities. This chapter measures
# `synth-colour`, an earlier recogniser of the course, which goes by the colours of hair and skin
# (chapter 03 shows it); how to measure does not depend on that.

# %%
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render_set, table

n_identities = course.pick(quick=20, laptop=120, gpu=300)
n_samples = course.pick(quick=4, laptop=6)
faces = render_set(range(n_identities), samples=n_samples)
encoder = create_encoder("synth-colour", device=course.device)
templates = encoder.embed(faces.images)  # [N, 64, 64, 3] -> [N, 128]
identities = np.asarray(faces.identities)
genuine, impostor = (np.asarray(s) for s in evaluate.genuine_impostor(templates, identities))
print(
    f"{n_identities} people x {n_samples}: {len(genuine):,} genuine, {len(impostor):,} impostor scores"
)

# %% tags=["subslide"]
bins = np.linspace(-0.6, 1, 81)
figure, axis = plt.subplots(figsize=(7.5, 3))
axis.hist(impostor, bins, density=True, alpha=0.7, color="C1", label="impostor")
axis.hist(genuine, bins, density=True, alpha=0.6, color="C0", hatch="//", label="genuine")
axis.set(xlabel="score (cosine)", ylabel="relative frequency (log)", yscale="log", xlim=(-0.6, 1.3))
axis.legend(frameon=False, loc="upper right")
show(
    figure,
    "Histograms with a logarithmic vertical axis: impostor scores around zero, genuine scores around "
    f"0.8; the thin tails overlap from {genuine.min():.2f} to {impostor.max():.2f}.",
)

# %% [markdown]
# Where the hills overlap the system will be wrong, whatever it does. Who are these people? Below are
# the strangers that look most alike to the encoder, and the pairs of one person that look least alike.
# Each column of two is a pair. Would you have done better?

# %%
similarity = (templates @ templates.T).numpy()  # [N, N]
same = identities[:, None] == identities[None, :]
genuine_pairs = np.argwhere(np.triu(same, k=1))  # [pairs, 2], each pair once
impostor_pairs = np.argwhere(np.triu(~same, k=1))
highest = impostor_pairs[np.argsort(-similarity[tuple(impostor_pairs.T)])]
lowest = genuine_pairs[np.argsort(similarity[tuple(genuine_pairs.T)])]


def first_of_each(pairs, wanted=5):
    """Return the first pairs [wanted, 2] in which everybody appears once."""
    kept, seen = [], set()
    for i, j in pairs:
        if not seen & {identities[i], identities[j]}:
            kept.append((i, j))
            seen |= {identities[i], identities[j]}
        if len(kept) == wanted:
            break
    return kept


rows = [first_of_each(highest), first_of_each(lowest)]

figure, axes = plt.subplots(4, 5, figsize=(8.8, 7.4))
for kind, pairs in enumerate(rows):
    for column, (i, j) in enumerate(pairs):
        axes[2 * kind, column].imshow(faces.images[i])
        axes[2 * kind + 1, column].imshow(faces.images[j])
        axes[2 * kind, column].set_title(f"score {similarity[i, j]:.2f}", fontsize=10)
for row, text in enumerate(["stranger A", "stranger B", "one person", "same person"]):
    axes[row, 0].set_ylabel(text)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
show(
    figure,
    "Above: five pairs of different people with the highest scores, most of them similar in skin, hair "
    "or face. Below: five pairs of pictures of one person with the lowest scores, where pose, light or "
    "what is worn differs much.",
)

# %% [markdown] tags=["slide"]
# ## A threshold, and two ways to be wrong
#
# The system accepts when the score is **above** a threshold. It can then be wrong in two ways:
#
# | name | share of | also called |
# |---|---|---|
# | **FAR**, false accept rate | impostor comparisons accepted | FMR, false match rate |
# | FRR, false reject rate | genuine comparisons refused | FNMR, false non-match rate |
# | **TAR**, true accept rate | genuine comparisons accepted | 1 - FNMR; GAR, genuine accept rate |

# %% [markdown]
# (ISO/IEC 19795-1 keeps FMR and FNMR for single comparisons, FAR and FRR for a whole transaction, which
# may also fail because no face was found. Here every picture gives a template, so the two are one
# number.)
#
# The threshold trades one error for the other. So a TAR without its FAR says nothing: the open door has
# a TAR of 100 %, at a FAR of 100 %. The usual order is: *choose the FAR* that the owner of the gate can
# live with, *set the threshold* on impostor scores so that the FAR is kept, *then* report the TAR.
#
# ### Exercise 2.2 ★★ threshold at a FAR
#
# With n impostor scores a FAR of `far` allows k = floor(far · n) false accepts, k an `int`. Return the
# lowest impostor score with at most k impostor scores above it. Scores that equal the threshold are
# refused, so ties do no harm. (Which score is it, counted from the largest?)


# %%
def threshold_at_far(impostor, far):
    """Return the threshold above which at most floor(far * n) of n impostor scores lie."""
    ### BEGIN SOLUTION
    allowed = int(np.floor(far * len(impostor)))
    return np.sort(impostor)[::-1][allowed]  # the (k+1)-th largest
    ### END SOLUTION


passed_threshold = check("2.2", threshold_at_far)

# %% [markdown]
# ### Exercise 2.3 ★ TAR at a threshold
#
# One line. Remember which side of the threshold is let in.


# %%
def tar_at(genuine, threshold):
    """Return the share (0 to 1) of genuine scores that are accepted."""
    ### BEGIN SOLUTION
    return np.mean(genuine > threshold)
    ### END SOLUTION


passed_tar = check("2.3", tar_at)

# %% [markdown]
# Where a check passed, the next table uses your function, else the library's.

# %%
set_threshold = threshold_at_far if passed_threshold else evaluate.threshold_at_far
accept_rate = tar_at if passed_tar else evaluate.tar_at
for far in [0.1, 0.01, 0.001]:
    t = set_threshold(impostor, far)
    print(f"FAR {far:6.1%}: threshold {t:.3f}, TAR {accept_rate(genuine, t):6.1%}")

# %% [markdown]
# ## Move the threshold
#
# At which threshold is one genuine comparison in ten refused, and what is the FAR there? Guess from the
# first figure, then move the slider.


# %% tags=["slide"]
def gate(threshold=0.4):
    """Score histograms with a movable threshold, and the FAR and TAR it gives."""
    false_accepts, accepts = (evaluate.tar_at(s, threshold) for s in (impostor, genuine))
    figure, axis = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    accepted = bins[:-1] > threshold - 1e-9  # edges are rounded
    for scores, color, label in [(impostor, "C1", "impostor"), (genuine, "C0", "genuine")]:
        height, _ = np.histogram(scores, bins, density=True)
        for which, alpha, what in [(~accepted, 0.3, "refused"), (accepted, 0.8, "accepted")]:
            axis.bar(
                bins[:-1][which],
                height[which],
                0.02,
                align="edge",
                color=color,
                alpha=alpha,
                label=f"{label} {what}",
            )
    axis.axvline(threshold, color="black")
    share = f"FAR {false_accepts:.3%}" if false_accepts else f"none of {len(impostor):,} impostors"
    axis.set(xlabel="score", ylabel="relative frequency (log)", yscale="log", ylim=(1e-4, 10))
    axis.set_title(f"threshold {threshold:.2f}: {share}, TAR {accepts:.1%}")
    figure.legend(frameon=False, loc="outside lower center", ncols=4, fontsize=9)
    return figure


explore(
    gate,
    alt="Two score histograms on a logarithmic axis, impostors left and genuine right, and a movable "
    "threshold; what lies right of it is accepted. The title gives its FAR and TAR.",
    threshold=(-0.4, 0.9, 0.02),
)

# %% [markdown]
# ## All thresholds at once: ROC and DET
#
# Slide the threshold from high to low and note (FAR, TAR) at every score: that is the **ROC curve**
# (Fawcett 2006).
# Security lives at small FARs, which a linear axis squeezes into the left edge; hence the logarithmic
# axis. The **EER** (equal error rate) is where FAR and FRR are equal. It is one number and easy to
# quote, but no gate runs there: at an EER of 2 % every fiftieth stranger walks in.

# %% tags=["slide"]
far, tar, _ = (np.asarray(x) for x in evaluate.roc(genuine, impostor))
equal = float(evaluate.eer(genuine, impostor))
figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.5))
axes[0].plot(far, tar)
axes[0].set(title="linear axis: a perfect corner", xlabel="FAR", ylabel="TAR", ylim=(0, 1.02))
positive = far > 0
axes[1].semilogx(far[positive], tar[positive])
axes[1].plot(equal, 1 - equal, "o", color="C3", label=f"EER {equal:.2%}")
axes[1].axvline(1 / len(impostor), color="0.6", linestyle=":", label="one impostor")
for at in [0.01, 0.001]:
    axes[1].axvline(at, color="0.85", zorder=0)
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
# A ROC crowds good systems into its upper edge: 99.0 % and 99.9 % look alike, though the second refuses
# ten times fewer users. The **DET curve** (Martin and others 1997) draws both *errors*, with axes
# stretched so that two normal distributions of scores make a straight line. Below, two recognisers look
# at the same faces: `synth-colour`, and `synth-colour-mobile`, a smaller network trained on other
# people. Before you run it: will the DET curves be straight or bent? (Their FMR is our FAR, their FNMR
# is 1 - TAR.)

# %%
from scipy.special import ndtri  # share -> standard deviations of a normal distribution

second = create_encoder("synth-colour-mobile", device=course.device)
second_scores = evaluate.genuine_impostor(second.embed(faces.images), identities)

figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.9))
both_scores = {"synth-colour": (genuine, impostor), "synth-colour-mobile": second_scores}
for name, (good, bad) in both_scores.items():
    fmr, fnmr, _ = (np.asarray(x) for x in evaluate.det(np.asarray(good), np.asarray(bad)))
    inside = (fmr > 0) & (fnmr > 0)
    axes[0].semilogx(fmr[inside], 1 - fnmr[inside], label=name)
    axes[1].plot(ndtri(fmr[inside]), ndtri(fnmr[inside]), label=name)
ticks = np.array([0.0001, 0.001, 0.01, 0.05, 0.2, 0.5])
axes[1].set_xticks(ndtri(ticks), [f"{tick:g}" for tick in ticks])
axes[1].set_yticks(ndtri(ticks), [f"{tick:g}" for tick in ticks])
axes[1].plot(ndtri(ticks), ndtri(ticks), color="0.7", linestyle=":", label="both errors equal")
axes[0].set(title="ROC", xlabel="FAR", ylabel="TAR", ylim=(0, 1.02), xlim=(0.5 / len(impostor), 1))
axes[1].set(
    title="DET", xlabel="FMR", ylabel="FNMR", xlim=ndtri([5e-5, 0.6]), ylim=ndtri([5e-4, 0.6])
)
axes[0].legend(frameon=False, loc="lower right")
axes[1].legend(frameon=False)
show(
    figure,
    "Two recognisers as ROC and as DET curves. In the ROC they meet near the top at the right; in the "
    "DET they are two separate, nearly straight falling lines.",
)

# %% [markdown]
# Nearly straight: the scores are nearly normal. The staircase at the ends is counting, a handful of
# pairs a step. Here the order is the same everywhere; it need not be. Compare where your gate runs.

# %% [markdown] tags=["slide"]
# ## Why 0.1 % needs many impostors
#
# At a FAR of 0.1 % one impostor in a thousand passes. With 2,000 impostor scores the threshold hangs
# on *two* of them.
#
# - **Rule of 3** (Hanley and Lippman-Hand 1983). No error seen in n independent trials: the true rate
#   may still be as high as 3/n (95 % confidence).
# - **Rule of 30.** To know a rate within 30 % of itself (90 % confidence) you need 30 errors.

# %% [markdown]
# To claim 0.1 %, then, you need 3,000 impostor comparisons *without* an error, or some 30,000 with 30
# (Doddington and others 2000). And both rules suppose *independent* comparisons. Ours are not: one
# person takes part in thousands. So let us see what happens: draw impostor scores of a few people, set
# the threshold on them, and look at what FAR it really has on everybody. Five people with six pictures
# make 360 impostor comparisons. Before you run it: how far off will the FAR be, at worst?

# %% tags=["subslide"]
rng = course.rng(2)
aimed = course.pick(quick=0.01, laptop=0.001)
different = np.triu(~same, k=1)
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
names = [f"{n} people\n{n * (n - 1) // 2 * n_samples**2:,}" for n in sizes]
axis.boxplot(realised, tick_labels=names, whis=(5, 95), showfliers=False)
axis.axhline(aimed, color="C3", label=f"aimed at: FAR {aimed:.1%}")
axis.set(
    xlabel="people, and impostor comparisons, used to set the threshold",
    ylabel="FAR on everybody (log)",
    yscale="log",
)
axis.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
axis.legend(frameon=False)
show(
    figure,
    "Box plots, on a logarithmic axis, of the false accept rate that thresholds really have, for "
    "thresholds set on ever more people: with five they miss the aim many times over, in both "
    "directions; with many they come near it.",
)
for size, rates in zip(sizes, realised, strict=True):
    low, high = np.quantile(rates, [0.05, 0.95])
    print(
        f"{size:3d} people: aimed at {aimed:.2%}, 90 % of the thresholds gave {low:.3%} to {high:.3%}"
    )

# %% [markdown]
# (A box holds the middle half of the thresholds, its line is the median, the whiskers reach from 5 to
# 95 %.) Aiming at 0.1 % with the 360 scores of five people, k is 0 and the threshold is simply the
# largest score. The rule of 3 would promise at most 3/360 = 0.8 %. One threshold in twenty is several
# times worse: five people are not 360 independent trials. The last box flatters a little, because those
# people are most of everybody.
#
# ## How sure is a TAR?
#
# Somebody reports "TAR 92 %". On other people it would have been another number. First, look at *whose*
# comparisons fail. If failures were spread by chance, about half of the people would have one or two,
# and hardly anybody more than three.

# %%
target = course.pick(quick=0.01, laptop=0.001)
threshold = float(evaluate.threshold_at_far(impostor, target))
first, _ = genuine_pairs.T
accepted = similarity[tuple(genuine_pairs.T)] > threshold
owner = identities[first]
refused = np.bincount(owner, weights=~accepted, minlength=n_identities)
per_person = n_samples * (n_samples - 1) // 2
by_chance = course.rng(5).binomial(per_person, 1 - accepted.mean(), n_identities)

figure, axis = plt.subplots(figsize=(8.8, 3))
axis.plot(np.sort(refused)[::-1], "o-", markersize=3, label="measured")
axis.plot(np.sort(by_chance)[::-1], "s--", markersize=3, color="0.5", label="if spread by chance")
axis.set(xlabel="people, worst first", ylabel=f"refused, of {per_person}")
axis.legend(frameon=False)
show(
    figure,
    f"Refused genuine comparisons of each person, worst first: measured, the worst has "
    f"{refused.max():.0f} and {np.mean(refused == 0):.0%} of the people have none; spread by chance, "
    f"the worst has {by_chance.max()} and {np.mean(by_chance == 0):.0%} have none.",
)
print(f"TAR at FAR {target:.1%}: {accepted.mean():.1%}")
tenth = max(1, n_identities // 10)
for label, each in [("measured", refused), ("by chance", by_chance)]:
    if each.any():
        share = np.sort(each)[::-1][:tenth].sum() / each.sum()
        print(f"{label:9s}: the worst tenth of the people has {share:.0%} of all refusals")
if accepted.all():
    print("Nobody is refused: too few people to show it. Run the laptop profile.")

# %% [markdown]
# An error rate is an average over people, and nobody is average. Doddington and others (1998) gave the
# characters names: *goats* are those who are refused, *lambs* are easily imitated, *wolves* imitate well;
# all others are *sheep*.

# %% [markdown]
# So the comparisons of one person stand or fall together. The **bootstrap** estimates how much a TAR
# would vary: draw the same number of people *with replacement*, compute the TAR again, many times; the
# middle 95 % of the results is the interval. People are drawn, not comparisons. Drawing comparisons
# gives an interval that is too narrow: a promise that will be broken.
#
# ### Exercise 2.4 ★★ bootstrap over identities
#
# `accepted[i, j]` says whether genuine comparison j of person i was accepted. Return the 95 %
# interval of the TAR from `repeats` drawings of people with the numpy generator `rng`. (A list of rows
# is an index: `accepted[[0, 0, 5]]` takes rows 0, 0 and 5.)


# %%
def bootstrap_interval(accepted, rng, repeats=1000):
    """Return (low, high) of the TAR for a bool array accepted [people, comparisons]."""
    ### BEGIN SOLUTION
    people = len(accepted)
    tars = [accepted[rng.integers(0, people, people)].mean() for _ in range(repeats)]
    low, high = np.quantile(tars, [0.025, 0.975])
    return low, high
    ### END SOLUTION


passed_bootstrap = check("2.4", bootstrap_interval)

# %%
for label, whose in [
    ("people drawn (right)", owner),
    ("comparisons drawn (too narrow)", np.arange(len(owner))),
]:
    low, high = evaluate.bootstrap_rate(accepted, whose, seed=seed)
    print(
        f"{label:32s} 95 % interval {low:.1%} to {high:.1%}, width {100 * (high - low):.1f} points"
    )
if passed_bootstrap:  # rows are people: [people, comparisons]
    low, high = bootstrap_interval(accepted.reshape(n_identities, per_person), course.rng(4))
    print(f"{'your function (other draws)':32s} 95 % interval {low:.1%} to {high:.1%}")

# %% [markdown]
# The threshold was kept fixed here, and such an interval is too short: other people would have set
# another threshold. `nbnet evaluate` sets it anew in each draw (`evaluate.IdentityBootstrap`), and
# `nbnet_lib/evaluate/EVALUATION.md` says how often which kind of interval holds the truth.

# %% [markdown] tags=["slide"]
# ## The average impostor flatters
#
# An impostor who looks like you is not drawn at random. Take such *hard* impostors only: people of the
# same "gender" and main "ancestry" (*parameters of the graphics model*: which base head shape was
# chosen; six groups). Before you run it: the threshold above promises them the same FAR. How many times
# as many get in?

# %%
truth = table(range(n_identities)).set_index("identity").loc[identities]
group = (truth["gender"] + " " + truth["ancestry_main"]).to_numpy(dtype=str)
hard = similarity[different & (group[:, None] == group[None, :])]
easy = similarity[different & (group[:, None] != group[None, :])]
threshold_hard = float(evaluate.threshold_at_far(hard, target))
print(f"impostors            comparisons   threshold at FAR {target:.1%}   TAR")
for label, scores in [("all", impostor), ("same group", hard), ("other group", easy)]:
    t = float(evaluate.threshold_at_far(scores, target))
    print(f"{label:18s} {len(scores):12,} {t:20.3f} {evaluate.tar_at(genuine, t):13.1%}")
print(
    f"The threshold set on all impostors lets {np.mean(hard > threshold):.2%} of same-group impostors "
    f"in: {np.mean(hard > threshold) / target:.1f} times the promise."
)

# %% tags=["subslide"]
figure, axis = plt.subplots(figsize=(7.5, 3))
for scores, color, label in [
    (easy, "C2", "impostor, other group"),
    (hard, "C1", "impostor, same group"),
    (genuine, "C0", "genuine"),
]:
    axis.hist(scores, bins, density=True, histtype="step", linewidth=2, color=color, label=label)
axis.axvline(threshold, color="0.2", linestyle=":", label="threshold, all impostors")
axis.axvline(threshold_hard, color="black", linestyle="--", label="threshold, same group")
axis.set(xlabel="score", yticks=[], xlim=(-1.45, 1.05))
axis.legend(frameon=False, fontsize=10, loc="upper left")
show(
    figure,
    "Outlines of three score histograms. Impostors of the same group score higher than those of "
    "another group, so the threshold for the same false accept rate lies further right.",
)

# %% [markdown]
# A system tested on all impostors keeps its promise *on average* and breaks it for every attacker who
# can choose whom to imitate. A related effect, one threshold with a different FAR inside each
# demographic group, was reported for real systems (Grother, Ngan and Hanaoka 2019).

# %% [markdown] tags=["slide"]
# ## Who is it? Identification
#
# Now there is no claim to check. A camera sends a *probe*, a *gallery* holds the enrolled people, and
# the system ranks the gallery by score.
#
# - **Closed set**: the person is known to be in the gallery. *Rank-k*: the share of probes whose person
#   is among the k best. The curve over k is the **CMC**.
# - **Open set**: the person may not be enrolled. Then a threshold must refuse strangers.

# %%
probe_rows = np.flatnonzero(faces.samples > 0)  # sample 0 of everybody is enrolled, the rest asks
gallery_rows = np.flatnonzero(faces.samples == 0)
asked = similarity[np.ix_(probe_rows, gallery_rows)]  # [probes, gallery]
mates = identities[probe_rows]  # the column of each probe's own person: identities are 0, 1, 2, ...
print(f"{asked.shape[0]:,} probes x {asked.shape[1]} enrolled people")

# %% [markdown]
# ### Exercise 2.5 ★★ rank-k rate
#
# `scores[i, j]` compares probe i with the enrolled person j; `mates[i]` is the column of probe i's own
# person. Return the share of probes whose own person is among the `k` highest scores of their row.
#
# Mind the ties. A broken system that gives everybody the same score must not look perfect.


# %%
def rank_rate(scores, mates, k=1):
    """Return the share (0 to 1) of probes whose mate is among the k best of the row."""
    ### BEGIN SOLUTION
    own = scores[np.arange(len(scores)), mates]
    better = (scores >= own[:, None]).sum(axis=1)  # the mate itself is counted: its rank, ties lost
    return np.mean(better <= k)
    ### END SOLUTION


passed_rank = check("2.5", rank_rate)

# %% [markdown]
# The two recognisers of the DET curve again, now as finders. Before you run it: will their order be the
# same?

# %%
found = {}
for name, model in {"synth-colour": encoder, "synth-colour-mobile": second}.items():
    x = model.embed(faces.images)
    result = evaluate.search(
        x[probe_rows], identities[probe_rows], x[gallery_rows], identities[gallery_rows]
    )
    found[name] = result.cmc(10)
if passed_rank:
    print(
        f"your rank-1 of synth-colour: {rank_rate(asked, mates, 1):.1%}, "
        f"rank-5 {rank_rate(asked, mates, 5):.1%}"
    )

figure, axis = plt.subplots(figsize=(7, 3))
for name, curve in found.items():
    axis.plot(range(1, 11), curve, "o-", label=f"{name}: rank-1 {curve[0]:.1%}")
axis.set(xlabel="k", ylabel="rank-k rate", ylim=(0.9, 1.005), xticks=range(1, 11))
axis.legend(frameon=False, loc="lower right")
show(
    figure,
    "CMC curves of two recognisers, from 0.9 to 1: synth-colour starts higher and both come near 1 "
    "within ten ranks.",
)
print(f"guessing would give rank-1 {1 / n_identities:.1%}, rank-10 {10 / n_identities:.1%}")

# %% [markdown]
# The same order. A CMC looks generous: no threshold, no stranger, and always somebody is "found". Two questions that
# it does not answer:
#
# 1. What if the gallery were larger?
# 2. What if the person at the camera is not enrolled at all?
#
# We can measure both: draw galleries of many sizes, ask with enrolled people and with people who are
# not. The threshold stays as set above, at a FAR of 0.1 % per comparison. Before you run it, write down:
# with 100 enrolled people, how many strangers in a hundred raise a false alarm?

# %% tags=["slide"]
rng = course.rng(6)
gallery_sizes = course.pick(quick=[2, 5, 10, 15], laptop=[2, 5, 10, 20, 40, 70, 100])
hits, alarms = [], []
for size in gallery_sizes:
    hit, alarm = [], []
    for _ in range(course.pick(quick=40, laptop=200)):
        enrolled = rng.choice(n_identities, size, replace=False)
        known = np.isin(mates, enrolled)
        best = asked[:, enrolled].max(axis=1)  # [probes], the best of this gallery
        own = asked[np.arange(len(mates)), mates]
        hit.append(np.mean(own[known] >= best[known]))
        alarm.append(np.mean(best[~known] > threshold))
    hits.append(np.mean(hit))
    alarms.append(np.mean(alarm))

# Only the first pictures are enrolled, so the FAR of these comparisons is not quite the one aimed at.
far_here = np.mean(asked[mates[:, None] != np.arange(n_identities)] > threshold)
dense = np.arange(1, max(gallery_sizes) + 1)
formula = 1 - (1 - far_here) ** dense
figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.2))
axes[0].plot(gallery_sizes, hits, "o-")
axes[0].set(title="enrolled people: rank-1", xlabel="people in the gallery", ylim=(0.8, 1.01))
axes[1].plot(gallery_sizes, alarms, "o", color="C3", label="measured")
axes[1].plot(dense, formula, color="0.5", label=f"1 - (1 - {far_here:.3%})^n")
axes[1].set(title="strangers: false alarms", xlabel="people in the gallery", ylim=(0, None))
axes[1].legend(frameon=False)
show(
    figure,
    "Left: rank-1 falls slightly as the gallery grows. Right: the share of strangers who raise an "
    "alarm grows almost in proportion to the gallery; the measured points lie close to the formula.",
)
for size, hit, alarm in zip(gallery_sizes, hits, alarms, strict=True):
    print(
        f"gallery of {size:3d}: rank-1 {hit:6.1%}, strangers with a false alarm {alarm:6.2%}, "
        f"formula {formula[size - 1]:6.2%}"
    )

# %% [markdown]
# The points lie close to the line, although the formula supposes independent comparisons: each enrolled
# person is one more lottery ticket for the stranger. Now go on with the formula where this data
# cannot follow. What FAR per comparison keeps false alarms at 1 % of the strangers?

# %% tags=["nbval-check-output"]
for n in [1, 100, 10_000, 1_000_000]:
    far_of_one = 1 - (1 - 0.01) ** (1 / n)
    at_promise = 1 - (1 - 0.001) ** n
    print(
        f"{n:9,} enrolled: FAR 0.1 % gives {at_promise:6.1%} false alarms; 1 % needs FAR {far_of_one:.0e}"
    )

# %% [markdown]
# A gate that is excellent at "is it you?" is useless at "who is it?" over a city, at the same
# threshold. When you read "99.9 % accurate" about a camera in a station, ask: with how many enrolled
# people, how many passers-by, and who looks at the alarms?
#
# ## Try it: a watch list
#
# Enrol so many people, set the threshold, and see both rates of the open set: *found* (DIR, detection
# and identification rate: the share of enrolled people's probes that come first and above the threshold)
# and *false alarms* (FPIR, false positive identification rate). Can you find a setting that finds 90 %
# and disturbs fewer than 1 % of the strangers? For how many people can you keep it?


# %%
def watch_list(enrolled_people=10, threshold=0.4):
    """Found people and false alarms of an open set over the threshold, for one gallery size."""
    rng, grid = course.rng(7), np.arange(0.1, 0.91, 0.02)
    dir_, fpir = np.zeros(len(grid)), np.zeros(len(grid))
    for _ in range(20):  # 20 galleries, drawn anew
        enrolled = rng.choice(n_identities, enrolled_people, replace=False)
        known, best = np.isin(mates, enrolled), asked[:, enrolled].max(axis=1)
        first_place = asked[np.arange(len(mates)), mates] >= best
        dir_ += [np.mean((first_place & (best > t))[known]) / 20 for t in grid]
        fpir += [np.mean(best[~known] > t) / 20 for t in grid]
    figure, axis = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    axis.plot(grid, dir_, color="C0", label="enrolled people found (DIR)")
    axis.plot(grid, fpir, color="C3", linestyle="--", label="strangers with a false alarm (FPIR)")
    axis.axvline(threshold, color="black")
    found, alarm = (np.interp(threshold, grid, curve) for curve in (dir_, fpir))
    title = f"{enrolled_people} enrolled, threshold {threshold:.2f}: found {found:.1%}, false alarms {alarm:.2%}"
    reached = "reached" if found >= 0.9 and alarm < 0.01 else "not reached"
    axis.set(xlabel="threshold", ylim=(0, 1.05), title=f"{title}\n90 % and below 1 %: {reached}")
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure


explore(
    watch_list,
    alt="Two falling curves over the threshold: enrolled people found, and strangers with a false alarm, "
    "which falls much earlier. The title gives both rates at the chosen threshold.",
    enrolled_people=(2, min(100, n_identities - 5)),
    threshold=(0.1, 0.9, 0.02),
)

# %% [markdown]
# With 10 people several thresholds a little above 0.5 do. Every further person narrows the choice, and
# near 100 it is luck, where there is one at all.

# %% [markdown]
# ## What can go wrong
#
# - **A TAR without its FAR**, or with a threshold chosen on the same genuine scores that are reported.
# - **A FAR that the data cannot carry.** The library warns when far · n is below 1. Believe it.
# - **Comparing an image with itself.** A score of 1 for each image makes every system look better.
# - **>= in one place and > in another.** With rounded scores ties are many. Rank-1 with ties
#   counted in favour makes a constant score perfect.
# - **Thresholds copied from another data set.** A threshold belongs to an encoder *and* a population.
# - **Intervals over comparisons.** Draw people.
# - **Rank-1 without the gallery's size,** or a closed-set number sold for an open-set use.
# - **The base rate forgotten.** If one passer-by in 10,000 is on the list, even 0.1 % false alarms make
#   ten wrong alarms for each right one.

# %% [markdown] tags=["slide"]
# ## For those who defend
#
# - The threshold is the one knob that an operator has. Set the FAR from the harm of a false accept.
# - Report a TAR with its FAR, an interval over people, and hard impostors.
# - In identification promise false alarms per stranger, not per comparison.
# - Measure again when encoder, population or gallery change.

# %% [markdown]
# Chapter 10 attacks through the front door: it shows a reconstructed face to the very system and asks
# whether it scores above the threshold. A stricter FAR lowers the attack's success and the comfort of
# honest users alike, so report both. A leaked gallery is worse than a leaked template in one more way:
# whoever holds it can run *this chapter's search* on any photograph, and nobody sees it. In European
# law identification from afar is not just verification done often: the AI Act (Regulation (EU)
# 2024/1689) prohibits it in real time, in publicly accessible spaces, for law enforcement, with narrow
# exceptions (Article 5), and plain one-to-one verification does not count as such.
#
# ## Stretch
#
# - ★★ **Two pictures enrolled.** Enrol samples 0 and 1 of everybody and score a probe by the higher of
#   the two, then by the mean template. Which has the higher TAR at the same FAR? *It worked* if the
#   threshold was set anew: the higher of two scores raises impostors, too.
# - ★★ **The base rate.** Write `trust_in_alarm(share_on_list, dir_, fpir)`: the share of alarms that are
#   right. *It worked* if 1 in 10,000, DIR 0.95 and FPIR 0.001 give about 9 %.
# - ★★★ **Is the interval honest?** Take 300 people as the truth. Draw 40 of them many times, make both
#   bootstrap intervals of the TAR at a fixed threshold, and count how often each holds the truth. *It
#   worked* if people come near 95 % and comparisons clearly below.
# - ★★★★ **Wolves and lambs.** Which people appear most in the false accepts at FAR 0.1 %? Split the
#   pictures in two halves and test whether the same people lead in both. *It worked* if you can give a
#   correlation and its value for shuffled people.
#
# ## Quiz

# %%
quiz("02")

# %% [markdown] tags=["slide"]
# ## Summary
#
# - FAR first: with k = floor(far · n) the threshold is the (k+1)-th largest impostor score.
# - ROC with a logarithmic FAR axis, DET for two errors; the EER is a summary, no gate runs there.
# - 3/n and 30 errors; people, not comparisons, are drawn for an interval.
# - Hard impostors cost more than the average tells.
# - Rank-1 falls slowly with the gallery, false alarms grow with it: n people, n lottery tickets.

# %% [markdown]
# Next: [03 What a template gives away](03_what_a_template_gives_away.ipynb)
#
# ## References
#
# - ISO/IEC 19795-1: Biometric performance testing and reporting, part 1. 2021.
# - A. Martin, G. Doddington, T. Kamm, M. Ordowski, M. Przybocki: The DET curve in assessment of
#   detection task performance. Eurospeech 1997.
# - T. Fawcett: An introduction to ROC analysis. Pattern Recognition Letters 27(8), 2006.
# - J. A. Hanley, A. Lippman-Hand: If nothing goes wrong, is everything all right? JAMA 249(13), 1983.
# - G. Doddington, W. Liggett, A. Martin, M. Przybocki, D. Reynolds: Sheep, goats, lambs and wolves: a
#   statistical analysis of speaker performance. ICSLP 1998.
# - G. R. Doddington, M. A. Przybocki, A. F. Martin, D. A. Reynolds: The NIST speaker recognition
#   evaluation. Speech Communication 31, 2000.
# - P. Grother, M. Ngan, K. Hanaoka: Face Recognition Vendor Test, part 3: Demographic effects.
#   NISTIR 8280, 2019.
# - Regulation (EU) 2024/1689 (Artificial Intelligence Act), Articles 3 and 5.
