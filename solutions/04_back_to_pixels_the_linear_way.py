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
# # 04 Back to pixels, the linear way
#
# **How much of a face can be had back from its template with nothing but a matrix?**

# %% [markdown]
# What you will learn
#
# - what a decoder that knows nothing draws, and why its error looks fair: the *mean-face trap*;
# - *eigenfaces*: how few numbers hold most of the pixels, and where the identity is;
# - *ridge regression* from template to pixels, which you write, and what it opens at two recognisers;
# - why a squared error makes blurred pictures, and what the blur is an average of.
#
# | | |
# |---|---|
# | Time | 70 minutes, of which the computer takes about one |
# | You need | matrices and means; FAR, TAR and thresholds (chapter 02) |
# | Exercises | 4.1 ★ the best constant, 4.2 ★★ eigenfaces, 4.3 ★★ ridge regression, 4.4 ★★★ the floor |
#
# Stuck? `hint("4.1")`, then `hint("4.1", level=2)`.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from nbnet_lib.course import check, explore, hint, quiz, show, start  # hint("4.1") helps  # noqa: F401

course = start(profile, seed, device)

# %% [markdown]
# ## The attacker's desk
#
# The attacker holds a **closed box**, a recogniser that turns pictures into templates, and draws faces
# of people who do not exist. Each drawn face goes into the box, and out comes a *pair*: template and
# picture. The victims are other people, and only their templates leaked.
#
# A picture of 64 x 64 pixels in three colours is 12,288 numbers. In this chapter it is one long row.

# %%
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render_set

encoder = create_encoder("synth", device=course.device)  # the closed box, and the gate
n_people, each = course.pick(quick=20, laptop=500), course.pick(quick=4, laptop=5)
drawn = render_set(range(20_000, 20_000 + n_people), samples=each)  # the attacker's own
n_victims, n_samples = course.pick(quick=20, laptop=120), course.pick(quick=4, laptop=6)
victims = render_set(range(n_victims), samples=n_samples)


def flat(images):
    """Turn pictures uint8 [N, 64, 64, 3] into rows float32 [N, 12288] in [-1, 1]."""
    return images.reshape(len(images), -1).astype(np.float32) / 127.5 - 1


templates, pixels = encoder.embed(drawn.images).numpy(), flat(drawn.images)
leaked, truth = encoder.embed(victims.images).numpy(), flat(victims.images)
print(f"{len(pixels):,} pairs of {n_people} people; {len(leaked)} templates of {n_victims} victims")

# %% tags=["nbval-check-output"]
print(f"a template: {templates.shape[1]} numbers; a picture: {pixels.shape[1]:,} numbers")

# %% [markdown] tags=["slide"]
# ## Three rulers
#
# Whatever a decoder draws, we hold three rulers to it:
#
# - the **pixel error**: the mean squared difference to the victim's picture;
# - the **gate**: the share that the attacked system takes for the person, at the threshold where it
#   takes one stranger in a thousand (FAR 0.1 %). *Type-I*: against the very picture whose template
#   leaked; *type-II*: against another picture of the same person;
# - a **judge**: the same question to a recogniser that took no part, at its own threshold.

# %%
from nbnet_lib.evaluate.attack import attack_originals, compare_originals

judge = create_encoder("synth-mobile", device=course.device)
who = victims.identities
gates = {  # thresholds come from comparisons of the victims' originals, never from drawings
    "target": (encoder, compare_originals(leaked, who, (0.001,), resamples=0)),
    "judge": (judge, compare_originals(judge.embed(victims.images), who, (0.001,), resamples=0)),
}


def to_tensor(rows):
    """Turn rows [N, 12288] into image tensors [N, 3, 64, 64], cut to [-1, 1]."""
    images = torch.from_numpy(np.asarray(rows, np.float32).clip(-1, 1))
    return images.unflatten(1, (64, 64, 3)).permute(0, 3, 1, 2)


def measure(name, rows):
    """Hold the three rulers to drawings [N, 12288] of the victims, in the order of ``truth``."""
    rows = np.broadcast_to(rows, truth.shape).clip(-1, 1)
    found = {"error": float(np.square(rows - truth).mean())}
    for system, (network, originals) in gates.items():
        rates = attack_originals(originals, network.embed(to_tensor(rows))).rates[0.001]
        found |= {(system, kind): rates[kind].tar for kind in ("type1", "type2")}
    print(told(name, found))
    return found


def told(name, found):
    """One row of the table."""
    rates = "".join(f"{found[s, k]:10.1%}" for s in gates for k in ("type1", "type2"))
    return f"{name:26s}{found['error']:8.3f} {rates}"


HEAD = f"{'':26s}{'error':>8s}   target-I target-II   judge-I  judge-II"
print(HEAD)
measured = {"untouched originals": measure("untouched originals", truth)}

# %% [markdown]
# The first line is the ceiling: the victims' own pictures. Type-I of an untouched picture is 100 % by
# definition, it is compared with itself.
#
# ## The decoder that ignores the template
#
# Begin with the laziest decoder there is: it draws the same picture for everybody. Which one is the
# best, if the *squared* error is what counts?
#
# ### Exercise 4.1 ★ the best constant
#
# Return the one picture that has the smallest mean squared error to all `pictures`.


# %%
def best_constant(pictures):
    """Return one picture [P] for rows of pictures [N, P]."""
    ### BEGIN SOLUTION
    return pictures.mean(axis=0)
    ### END SOLUTION


check("4.1", best_constant)

# %% [markdown]
# Before you run the next cell: how large will its error be, next to that of a *true* picture of the
# victim, taken on another day? And how many gates does it open?

# %%
mean_face = pixels.mean(axis=0)  # the attacker's own people, not the victims
another = np.concatenate(  # the next picture of the same person
    [np.roll(rows, 1, axis=0) for rows in np.split(truth, n_victims)]
)
print(HEAD)
measured["mean face"] = measure("mean face", mean_face)
measured["another true picture"] = measure("another true picture", another)


def picture(row):
    """Turn one row [12288] into an array [64, 64, 3] in [0, 1] to look at."""
    return ((row.reshape(64, 64, 3) + 1) / 2).clip(0, 1)


def gallery(rows, names, height=None):
    """Draw a grid: one list of rows [12288] for each name."""
    figure, axes = plt.subplots(len(rows), 1, figsize=(8.8, height or 1.15 * len(rows)))
    for axis, row, name in zip(np.atleast_1d(axes), rows, names, strict=True):
        axis.imshow(np.concatenate([picture(p) for p in row], axis=1))
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure


# %% tags=["slide"]
six = np.arange(6) * n_samples  # the first picture of six victims
show(
    gallery(
        [truth[six], another[six], [mean_face] * 6],
        ["leaked picture", "another day", "mean face"],
    ),
    "Three rows of six: the victims' pictures, other pictures of the same people with another pose, "
    "light and background, and the same blurred average face six times.",
)

# %% [markdown] tags=["subslide"]
# ## The mean-face trap
#
# The average of strangers is *closer in pixels* to your picture than another picture of you is.
# It opens no gate at all. The other picture opens nearly all. (Its type-II is a little flattered: the
# drawing is then also compared with itself.)
#
# Pose, light and background decide most of the pixels, and the mean plays safe in all of them. So a
# falling pixel loss may only say that a decoder has learned the mean face. Every decoder that is
# trained with a pixel loss passes through this point, and some stay there.

# %% [markdown]
# ## Eigenfaces: the directions in which faces differ
#
# 12,288 numbers are far too many for what faces do. Take the mean off and ask in which direction the
# pictures spread most; then in which direction at right angles to that; and so on. These *principal
# components*, drawn as pictures, are the **eigenfaces** of Turk and Pentland (1991). They carried some
# of the first usable face recognisers, and they are a decoder, too: a few numbers times a few pictures.
#
# The covariance of pixels would be a matrix of 12,288 x 12,288. The old trick is to work with the small
# matrix of the pictures among themselves, which has the same eigenvalues (the rest are zero).

# %%
from nbnet_lib.course.linear import eigenfaces, fit_line, floor_of, project

some = pixels[:: course.pick(quick=1, laptop=4)]
center, components, share = eigenfaces(some, course.pick(quick=60, laptop=512))
K = len(components)  # components [K, 12288], each of length 1
for k in sorted({1, 4, 16, min(64, K), K}):
    print(f"{k:4d} eigenfaces hold {share[k - 1]:6.1%} of the variance of the attacker's pixels")

# %% tags=["slide"]
bright = components / np.abs(components).max(axis=1, keepdims=True)  # to look at
show(
    gallery(
        [bright[:8], bright[8:16]],
        ["eigenfaces 1-8", "9-16"],
        height=2.4,
    ),
    "Sixteen eigenfaces: the first are broad patches of bright and dark, of background against face "
    "and left against right; later ones have the outline of hair and head.",
)

# %% [markdown]
# The first ones are about the background, the light and the amount of hair. Nobody asked for identity:
# they follow the pixels.
#
# ### Exercise 4.2 ★★ eigenfaces: project and rebuild
#
# The rows of `components` have length 1 and stand at right angles. Describe each picture by `k` numbers
# (how much of each of the first `k` components is in it, once the mean is taken off), and draw it again
# from these numbers. Return the drawings.


# %%
def rebuild(pictures, mean, components, k):
    """Draw pictures [N, P] again from their first k coordinates; mean [P], components [K, P]."""
    ### BEGIN SOLUTION
    numbers = (pictures - mean) @ components[:k].T  # [N, P] -> [N, k]
    return numbers @ components[:k] + mean  # [N, k] -> [N, P]
    ### END SOLUTION


mine = check("4.2", rebuild)
again = rebuild if mine else project  # yours goes on, once it passes; until then the library's

# %% [markdown]
# Now the victims' own pictures, untouched but for this: they are rebuilt from `k` eigenfaces. No
# template is involved. Before you run it: sixteen eigenfaces hold about three quarters of the variance.
# How many gates will they open?

# %%
steps = [4, 16, 64, 256, K] if K > 256 else [4, 16, K]
print(HEAD)
rebuilt = {
    k: measure(f"originals in {k} eigenfaces", again(truth, center, components, k)) for k in steps
}

# %% tags=["slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.2), width_ratios=[1, 1.25])
left.plot(steps, [share[k - 1] for k in steps], "o-", label="variance of the pixels")
left.plot(
    steps, [rebuilt[k]["target", "type1"] for k in steps], "s--", label="gates opened, type-I"
)
left.plot(
    steps, [rebuilt[k]["judge", "type1"] for k in steps], "^:", label="the same, by the judge"
)
left.set(xscale="log", xlabel="eigenfaces", ylabel="share", ylim=(-0.03, 1.03))
left.legend(frameon=False, fontsize=8, loc=(0.02, 0.15))
grid = [np.concatenate([picture(p) for p in truth[six[:5]]], axis=1)]
for k in steps[1:3]:
    grid.append(
        np.concatenate([picture(p) for p in again(truth[six[:5]], center, components, k)], axis=1)
    )
right.imshow(np.concatenate(grid))
right.set(xticks=[], yticks=[32, 96, 160])
right.set_yticklabels(["original", *[f"{k} eigenfaces" for k in steps[1:3]]])
right.spines[:].set_visible(False)
show(
    figure,
    "Left: the share of pixel variance rises quickly with the number of eigenfaces, the share of gates "
    "opened stays near zero until dozens are used and then rises. Right: five faces, and the same from "
    "16 and 64 eigenfaces, blurred.",
)

# %% [markdown] tags=["subslide"]
# ## Who you are is in the small print
#
# A few eigenfaces have most of the variance and nearly none of the gates. **Variance is not
# identity.** What tells people apart is small in pixels, and a compression, or a loss, that counts
# pixels throws it away first.

# %% [markdown]
# ## The straight line
#
# Now the template. The simplest thing that uses it: each pixel is a weighted sum of the 128 numbers.
#
# ```text
# picture = bias + t_1 * W_1 + t_2 * W_2 + ... + t_128 * W_128
# ```
#
# Each `W_i` is itself a picture: what number *i* of the template adds. To find all of them at once,
# minimise the squared error, and add a small penalty on large weights (the *ridge*), so that 128 pictures
# cannot be blown up to fit the noise of a few pairs:
#
# ```text
# sum over pairs |t W + bias - picture|^2  +  strength * |W|^2
# ```
#
# Take the means off templates (T) and pictures (X) first; the bias takes care of them. Setting the
# derivative to zero leaves one equation, solved in one line, with no training loop:
#
# ```text
# (T' T + strength * I) W = T' X
# ```
#
# ### Exercise 4.3 ★★ ridge regression
#
# Return the weights and the bias. The penalty is on the weights only, not on the bias.


# %%
def ridge(templates, pictures, strength):
    """Return (weights [d, P], bias [P]) for templates [N, d] and pictures [N, P]."""
    ### BEGIN SOLUTION
    t_mean, x_mean = templates.mean(axis=0), pictures.mean(axis=0)
    T, X = templates - t_mean, pictures - x_mean
    weights = np.linalg.solve(T.T @ T + strength * np.eye(T.shape[1]), T.T @ X)
    return weights, x_mean - t_mean @ weights
    ### END SOLUTION


mine = check("4.3", ridge)
line_of = ridge if mine else fit_line  # yours attacks, once it passes

# %%
weights, bias = line_of(templates, pixels, 1.0)  # [128, 12288], [12288]
line = (leaked @ weights + bias).astype(np.float32)  # [N, 128] -> [N, 12288]

# %% [markdown] tags=["slide"]
# **Predict.** No deep network, no gradient step, a fraction of a second. Which share of the gates will
# the straight line open (type-I, FAR 0.1 %)? Below 10 %, about half, nearly all?

# %% tags=["fragment"]
print(HEAD)
for name in measured:
    print(told(name, measured[name]))
measured["straight line"] = measure("straight line", line)

# %% tags=["slide"]
show(
    gallery([truth[six], line[six]], ["leaked picture", "straight line"]),
    "Six victims above what the straight line draws from their templates: blurred, with grey "
    "backgrounds; how dark skin, brows and hair are, and the shape of the head, follow the person.",
)

# %% [markdown]
# A blur, and most gates open for the leaked picture, about half of them for another one. This is the
# surprise of the chapter: **at this box a matrix is enough for most leaked pictures.** "Our templates are safe,
# an attack would need a GPU for weeks" is refuted by one line of linear algebra. What does the line use, and
# does it work at every box?
#
# ## The same line at another box
#
# The library keeps a second recogniser of the same architecture, `synth-colour`. It was trained without
# disturbed colours, and it goes by the colours of skin and hair: in grey pictures it hardly knows anybody
# (chapter 03). The attacker's faces and the equation stay the same; the templates, the gate and its
# threshold are now those of this box. Will the line open more of its gates, or fewer?
#
# To see what opens the gates, each drawing is also shown without its colours (grey), and as the mean face
# that has only the drawing's colours.

# %%
colour = create_encoder("synth-colour", device=course.device)
colour_leaked = colour.embed(victims.images).numpy()
w, b = fit_line(colour.embed(drawn.images).numpy(), pixels, 1.0)
colour_line = (colour_leaked @ w + b).astype(np.float32)


def grey(rows):
    """The light alone: rows [N, 12288] with the same value in all three colours."""
    light = rows.reshape(len(rows), -1, 3) @ np.float32([0.299, 0.587, 0.114])  # [N, 4096]
    return np.repeat(light, 3, axis=1)


boxes = {
    "synth": (encoder, gates["target"][1], line),
    "synth-colour": (
        colour,
        compare_originals(colour_leaked, who, (0.001,), resamples=0),
        colour_line,
    ),
}
for box, (network, originals, rows) in boxes.items():
    for shown, version in {
        "as drawn": rows,
        "in grey": grey(rows),
        "mean face in its colours": rows - grey(rows) + grey(mean_face[None]),
    }.items():
        rates = attack_originals(originals, network.embed(to_tensor(version))).rates[0.001]
        print(
            f"{box:13s}{shown:26s} type-I {rates['type1'].tar:6.1%}   type-II {rates['type2'].tar:6.1%}"
        )

# %% tags=["slide"]
show(
    gallery(
        [truth[six], line[six], colour_line[six]],
        ["leaked picture", "line at synth", "at synth-colour"],
    ),
    "Three rows of six: the victims, and what the straight line draws of them from templates of synth "
    "and of synth-colour. Both are blurred; the second keeps the colours of skin and hair better.",
)

# %% [markdown]
# At the colour matcher the line opens nearly all gates. Without its colours a drawing opens hardly any of
# them; and the mean face, given nothing but those colours, opens some. What this box goes by *is* a sum of
# pixels, and nothing is more linear than that.
#
# At `synth` it is the other way round: colours alone open no gate, and grey drawings open about as many as
# coloured ones. Only light and dark are left to go by: the shape of the head, the brows, what sex, age and
# ancestry do to a face. In faces that are aligned and drawn alike these move the pixels nearly in proportion,
# too. So the line loses gates here, more of type-II than of type-I, and keeps most of type-I. A real
# recogniser leaves it less; its numbers are below, beside the portraits.
#
# What did the line learn at `synth`? Here is what the eight heaviest numbers of the template add:

# %%
strongest = np.argsort(-np.linalg.norm(weights, axis=1))[:8]
scale = 1 / np.abs(weights[strongest]).max()
show(
    gallery(
        [weights[strongest] * scale, -weights[strongest] * scale],
        ["more of it", "less of it"],
        height=2.5,
    ),
    "Two rows of eight pale patterns with the outline of a face: what the eight numbers with the "
    "largest weights add to the picture, and the opposite.",
)

# %% [markdown]
# No number stands for "beard" or "glasses" alone. Every number holds a bit of everything, which is why
# striking out a few of them protects nobody.
#
# ## How many pairs does it take?
#
# The attacker has to draw faces and ask the box. How often? Each fit below uses pairs drawn at random
# from the desk. Guess the number of pairs at which half of the gates are open.

# %%
lots = [n for n in (30, 50, 100, 200, 500, 1000) if n < len(pixels)] + [len(pixels)]
shuffled = course.rng(1).permutation(len(pixels))
curve = {}
print(HEAD)
for n in lots:
    w, b = fit_line(templates[shuffled[:n]], pixels[shuffled[:n]], 0.3)
    curve[n] = measure(f"{n:,} pairs", leaked @ w + b)

# %% tags=["slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.2))
styles = {("target", "type1"): "o-", ("target", "type2"): "o--"}
styles |= {("judge", "type1"): "^-", ("judge", "type2"): "^--"}
for (system, kind), style in styles.items():
    name = f"{system}, type-{'I' if kind == 'type1' else 'II'}"
    left.plot(lots, [100 * curve[n][system, kind] for n in lots], style, label=name)
left.set(xscale="log", xlabel="pairs", ylabel="TAR at FAR 0.1 % (%)", ylim=(-3, 103))
left.legend(frameon=False, fontsize=8)
right.plot(lots, [curve[n]["error"] for n in lots], "o-", label="straight line")
right.axhline(measured["mean face"]["error"], color="0.5", linestyle=":", label="mean face")
right.set(xscale="log", xlabel="pairs", ylabel="mean squared error", ylim=(0, None))
right.legend(frameon=False, fontsize=8)
show(
    figure,
    "Left: few gates are opened with 50 pairs; the share rises steeply up to 500 and more slowly after "
    "that; type-II stays below type-I. Right: the squared error falls slowly; with few pairs it is larger "
    "than that of the mean face.",
)

# %% [markdown]
# In the laptop profile half of the gates (type-I) are open with fewer than 200 pairs. Look at both curves at 100
# pairs. By its pixels that decoder is about as good as the mean face, which opens no gate. This one opens
# some. Limiting the queries of a client only delays such an attack.
#
# ## Why is it blurred?
#
# Say that two pictures belong to one and the same template: the head turned left, the head turned right.
# The decoder has to answer with *one* picture. Which one costs least?

# %% tags=["slide"]
answers = np.linspace(-1.2, 1.2, 200)
figure, axes = plt.subplots(1, 2, figsize=(8.8, 2.9), sharey=True)
for axis, right_share in zip(axes, (0.5, 0.65), strict=True):
    for name, cost in {"squared": np.square, "absolute": np.abs}.items():
        risk = (1 - right_share) * cost(answers + 1) + right_share * cost(answers - 1)
        (drawn_line,) = axis.plot(answers, risk, label=f"{name} error")
        best = answers[np.argmin(risk)]
        if name == "squared" or right_share != 0.5:
            axis.plot(best, risk.min(), "o", color=drawn_line.get_color(), markersize=9)
    axis.set(
        title=f"{1 - right_share:.0%} of the cases are -1, {right_share:.0%} are +1",
        xlabel="the one answer",
    )
axes[0].set_ylabel("expected error")
axes[0].legend(frameon=False)
show(
    figure,
    "Two charts of the expected error of one answer to a target that is -1 or +1. Squared error is "
    "smallest between the two, at their mean; absolute error is flat at half and half, and smallest at "
    "the more frequent value otherwise.",
)

# %% [markdown]
# - The **squared** error is smallest at the *mean* of what may be: a grey that never occurs.
# - The **absolute** error is smallest at the *median*: with 65 to 35 it takes the majority's side, which
#   is sharper, and wrong for the others. At half and half it does not care.
#
# The same with faces. One person, 40 pictures; no decoder, only an average. Beside it, the average
# of the attacker's pictures whose templates come nearest to the leaked one (none of them
# shows the victim), and the straight line.

# %%
person = 3
many = flat(render_set([person], samples=course.pick(quick=12, laptop=40)).images)
start_row = person * n_samples
nearest = np.argsort(-(templates @ leaked[start_row]))[: course.pick(quick=5, laptop=15)]
answer = {
    "leaked\npicture": truth[start_row],
    "one of\nthe others": many[2],
    "mean of 40\nlike these": many.mean(axis=0),
    "nearest\nstranger": pixels[nearest[0]],
    "mean of near\nstrangers": pixels[nearest].mean(axis=0),
    "straight\nline": line[start_row],
}
figure, axes = plt.subplots(1, 6, figsize=(8.8, 2.1))
for axis, (name, row) in zip(axes, answer.items(), strict=True):
    axis.imshow(picture(row))
    axis.set_title(name, fontsize=9)
    axis.set_axis_off()
show(
    figure,
    "Six pictures of one victim: the leaked picture, another one, the blurred mean of all "
    "of them, the stranger with the nearest template, the blurred mean of such strangers, and what the "
    "straight line draws, blurred in the same way.",
)
to_picture = np.square(line[start_row] - truth[start_row]).mean()
to_mean = np.square(line[start_row] - many.mean(axis=0)).mean()
print(f"error of the straight line, to the leaked picture:             {to_picture:.3f}")
print(f"error of the straight line, to the mean of the person's pictures: {to_mean:.3f}")

# %% [markdown] tags=["slide"]
# ## L2 draws what all the possible pictures have in common
#
# The best answer to a squared error is the **conditional mean**: the average of all pictures that this
# template could have come from. What the template does not say (background, part of the pose) is
# averaged away. Blur is not a weakness of the method. It is the exact answer to the question that was
# asked.

# %% [markdown]
# ### Exercise 4.4 ★★★ the floor
#
# Imagine a decoder that knows perfectly *who* it is, and nothing else. Its best answer is the mean of
# this person's pictures. How large is its mean squared error? Return it for `pictures` [N, P] of the
# people in `identities` [N]: each picture against the mean of all pictures of the same person
# (itself included).


# %%
def identity_floor(pictures, identities):
    """Return the mean squared error of a decoder that draws each person's mean picture."""
    ### BEGIN SOLUTION
    total = 0.0
    for person in np.unique(identities):
        own = pictures[identities == person]
        total += np.square(own - own.mean(axis=0)).sum()
    return total / pictures.size
    ### END SOLUTION


mine = check("4.4", identity_floor)

# %% [markdown]
# Before you run the next cell: can the straight line, from a template, be *better* than a decoder that
# knows the person perfectly?

# %%
floor = (identity_floor if mine else floor_of)(truth, who)
floor *= n_samples / (n_samples - 1)  # a mean of few pictures lies too close to each of them
errors = {
    "mean face": measured["mean face"]["error"],
    "knows who,\nnothing else": floor,
    "line at synth": measured["straight line"]["error"],
    "at synth-colour": float(np.square(colour_line.clip(-1, 1) - truth).mean()),
}
figure, axis = plt.subplots(figsize=(6.4, 2.4))
bars = axis.barh(list(errors), list(errors.values()), color=["0.7", "C1", "C0", "C0"])
axis.bar_label(bars, fmt="%.3f", padding=4)
axis.invert_yaxis()
axis.set(xlabel="mean squared error to the leaked picture")
show(
    figure,
    "Four bars of squared error: the mean face has the largest, a decoder that knows only the person a "
    "smaller one, the straight line at synth a little less, and the line at synth-colour the smallest.",
)

# %% [markdown]
# With the pairs of the laptop profile both lines go *under* the floor. Then both templates must tell more
# than who it is: something of pose, light or expression on that very day, which chapter 03 found by probing.
# A template is not only an identity card. It is a poor photograph, that of `synth-colour` a little less poor.
#
# ## Ask for something that can be known
#
# If blur comes from what the template does not say, ask for a picture without it. The attacker drew
# the training people, so their **portraits** can be drawn too: frontal, neutral, evenly lit, one for each
# person. Same templates, same straight line, another target to draw. (Our extension; the paper's decoder
# draws the very picture.)

# %%
portraits = render_set(range(20_000, 20_000 + n_people), samples="portrait")
targets = flat(portraits.images).repeat(each, axis=0)  # the portrait belonging to each template
w, b = fit_line(templates, targets, 1.0)
portrait_line = leaked @ w + b
print(HEAD)
for name in ("mean face", "straight line"):
    print(told(name, measured[name]))
measured["straight line, portraits"] = measure("straight line, portraits", portrait_line)

# %% tags=["slide"]
true_portraits = flat(render_set(range(6), samples="portrait").images)
show(
    gallery(
        [truth[six], line[six], portrait_line[six], true_portraits],
        ["leaked picture", "straight line", "... to portraits", "true portraits"],
    ),
    "Four rows of six: the victims, what the straight line draws, the clearer frontal faces that it "
    "draws when it was fitted to portraits, and the true portraits of these victims.",
)

# %% [markdown] tags=["subslide"]
# ## Read the error column once more
#
# The portraits have a pixel error like that of the *mean face*, or worse: the victim was not looking
# straight ahead before an even background. And they open more gates than the line to the pictures did, most
# of all for type-II. The mean face and the portrait stand side by side on the pixel ruler, and at opposite
# ends at the gate.
#
# **A pixel error against the leaked picture measures the attack badly, in both directions.**

# %% [markdown]
# ## And a real recogniser?
#
# The same attack, a line to portraits of 64 pixels, at **dlib**, which was trained on photographs: drawn
# faces as here, 20,000 pairs, 300 victims with 6 pictures each, FAR 0.1 %. It opens 62.5 % [54.7, 68.8] of
# dlib's gates for type-I and 27.7 % [22.6, 33.3] for type-II. At `synth` a line from as many pairs opens
# 98.7 % [97.6, 99.5] and 69.8 % [65.2, 74.3]. So how far a matrix gets is a property of the box, not of
# templates as such; here it gets far at both.
# (Recorded, with the templates of dlib that come with the course: `nbnet train --encoder dlib --recipe laptop
# --decoder linear --portraits --out runs/dlib/line`, then `nbnet evaluate --encoder dlib --decoder
# runs/dlib/line/decoder.safetensors`.)

# %% [markdown]
# ## Bending the line: RBF regression
#
# If a straight line is not enough, bend it. Choose some of the attacker's templates as *centres*, and
# describe each template by how near it comes to each of them, `exp(-gamma |t - c|^2)`. Then the same
# ridge regression on these similarities. (All templates as centres would be kernel ridge regression;
# a sample of them is *Nystroem's* idea, and keeps the matrix small.)

# %%
n_centres = course.pick(quick=40, laptop=400)
centres = templates[course.rng(2).choice(len(templates), n_centres, replace=False)]


def nearness(t, gamma=0.1):
    """Similarities [N, centres]; for unit vectors |t - c|^2 is 2 - 2 t c."""
    return np.exp(-gamma * (2 - 2 * t @ centres.T))


w, b = fit_line(nearness(templates).astype(np.float64), pixels, 0.01)  # [N, 400] -> [N, 12288]
print(HEAD)
print(told("straight line", measured["straight line"]))
measured["RBF"] = measure(f"RBF, {n_centres} centres", nearness(leaked) @ w + b)

# %% [markdown]
# The two rows say how much the bend finds that the line does not. The library has both as decoders to
# train, save and evaluate (`create_decoder("linear")`, `create_decoder("rbf")`, `fit_decoder`). It chooses
# strength and gamma by cross-validation over *people*, and predicts 256 eigenfaces instead of all pixels, to
# stay small at any size. You know by now that this has its price. Here it is for 64:

# %%
from nbnet_lib.attack import reconstruct
from nbnet_lib.decoders import create_decoder
from nbnet_lib.decoders.baselines import fit_decoder

decoder = create_decoder("linear", image_size=64, components=course.pick(quick=8, laptop=64))
card = fit_decoder(decoder, drawn.images, templates, drawn.identities, progress=False)
print({name: round(value, 3) for name, value in card.items()})
print(HEAD)
rows = reconstruct(decoder, leaked).permute(0, 2, 3, 1).flatten(1).numpy()
measure(f"library, {card['components']} eigenfaces", rows)

# %% [markdown]
# ## Play: pairs, strength, eigenfaces
#
# Find the fewest eigenfaces at which victim 0 is still accepted. Then set `log10_strength` to 1 and lower it
# to 0, with all pairs: which way does the error go, and which way do the scores? Try some victims. Do pixels
# and gate agree about the best strength?

# %%
codes = (pixels - center) @ components.T  # [N, K]: fitting K numbers is quick
threshold = gates["target"][1].thresholds[0.001]


def attack(victim=0, pairs=lots[-1], log10_strength=0.0, eigenfaces=K):
    """A leaked picture and what a straight line draws from its template, with scores and verdicts."""
    rows = shuffled[:pairs]
    w, b = fit_line(templates[rows], codes[rows, :eigenfaces], np.float32(10**log10_strength))
    i, j = victim * n_samples, victim * n_samples + 1
    made = ((leaked[i] @ w + b) @ components[:eigenfaces] + center).astype(np.float32)
    score = encoder.embed(to_tensor(made[None])).numpy()[0] @ leaked[[i, j]].T
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.8))
    for axis, row, title in zip(
        axes, (truth[i], made, truth[j]), ("leaked", "drawn", "another day"), strict=True
    ):
        axis.imshow(picture(row))
        axis.set_title(title)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    said = ["accepted" if s > threshold else "refused" for s in score]
    axes[0].set_xlabel(f"type-I {score[0]:.2f}: {said[0]}")
    axes[1].set_xlabel(f"error {np.square(made - truth[i]).mean():.3f}")
    axes[2].set_xlabel(f"type-II {score[1]:.2f}: {said[1]}")
    return figure


explore(
    attack,
    victim=(0, n_victims - 1),
    pairs=(20, lots[-1]),
    log10_strength=(-3.0, 3.0, 0.5),
    eigenfaces=(1, K),
)

# %% [markdown]
# ## How sure is it?
#
# The last word belongs to intervals over people (chapter 02). A hundred victims are few.

# %% tags=["slide"]
fitted = {"straight line": line, "... to portraits": portrait_line}
fair = {
    name: compare_originals(
        network.embed(victims.images), who, (0.001,), resamples=course.pick(quick=20, laptop=200)
    )
    for name, (network, _) in gates.items()
}
print("TAR at FAR 0.1 % [95 % interval over people]")
for name, rows in fitted.items():
    for system, originals in fair.items():
        rates = attack_originals(originals, gates[system][0].embed(to_tensor(rows))).rates[0.001]
        print(f"{name:18s}{system:8s} type-I {rates['type1']}   type-II {rates['type2']}")
for system, originals in fair.items():
    rates = attack_originals(originals, originals.templates).rates[0.001]
    print(f"{'honest users':18s}{system:8s} {'':24s}   type-II {rates['original']}")

# %% [markdown]
# ## What can go wrong
#
# - **Falling for the mean face.** Report the score of a constant picture beside every pixel error.
# - **Victims among the pairs.** A line through 128 numbers remembers, too. Split by people; here
#   identity numbers below 10,000 never train.
# - **A strength chosen by pixels on the same people.** Cross-validate over people, and know that the
#   best strength for pixels is not the best for the gate.
# - **No penalty at all.** With fewer pairs than numbers in the template the equation has no single
#   solution; with a few more it has a wild one.
# - **Forgetting the bias.** Without it, the template zero must be mid-grey.
# - **"Linear is enough" as a law**, or "linear is harmless". The same line on the same drawn faces opens a
#   different share of the gates at each of three boxes. Measure yours.
#
# ## For those who defend
#
# - **The bar is a matrix.** When you estimate the effort of an attacker, do not write "deep learning
#   experts and GPUs". Write: some hundred queries and a second of computing.
# - **Audit with the cheap attack first.** Ridge regression needs no tuning and gives a lower bound on the
#   leak within a minute. If it opens gates, no further attack is needed to act. If it opens few, that proves
#   nothing yet: the networks of the next chapters open more.
# - **Do not report pixel errors as safety.** "The reconstruction differs strongly from the original"
#   was true of our portraits.
# - **Dropping template numbers is no protection.** The information is spread over all of them.
# - **A secret rotation is not enough, if pairs can still be had.** A straight line undoes every fixed
#   rotation; it is found together with the weights (stretch task 2).
#
# ## Stretch
#
# 1. ★★ *Absolute error.* Fit the straight line with an absolute instead of a squared error (iterate:
#    weigh each pixel of each pair by one over its present error, fit again). It worked if the mean
#    absolute error on the victims falls below that of ridge. Are the pictures sharper? Do gates open?
# 2. ★★ *The secret rotation.* Multiply all templates with one random orthogonal matrix
#    (`np.linalg.qr` of a random matrix), as a naive protection would. Attack with pairs of rotated
#    templates. It worked if your table is the same to the last digit. What must the owner do in
#    addition, so that this protection is one?
# 3. ★★★ *Weigh what the recogniser sees.* Give each eigenface a weight by how much it matters for the
#    cosine (rebuild originals without it and measure), and keep the best 64 instead of the first 64. It
#    worked if more gates open with the same 64 numbers.
# 4. ★★★★ *Fewest queries.* Choose *which* faces to draw and ask, instead of random ones: which 50 pairs
#    open most gates? It worked if your 50 beat the best of ten random draws of 50.
#
# ## Quiz

# %%
quiz("04")

# %% [markdown]
# ## Summary
#
# - The best constant for a squared error is the mean face: a fair pixel error, no gate.
# - A few eigenfaces hold most of the variance and hardly any identity.
# - Ridge regression from 128 numbers to pixels is one linear equation. It opens nearly all gates of a colour
#   matcher, for type-II clearly fewer of `synth`, and with portraits three in five (type-I) of dlib's.
# - A squared error asks for the conditional mean; blur is what the template leaves open.
# - The template leaves less open than the identity alone would: it remembers the day, too.
# - Portraits as targets take out what cannot be known. Pixel error and gate then disagree completely.
#
# A straight line treats every pixel alone. Next: how a network draws, with neighbouring pixels and from
# coarse to fine.
#
# Next: [05 De-convolution from the inside](05_deconvolution_from_the_inside.ipynb)
#
# ## References
#
# - M. Turk, A. Pentland: Eigenfaces for Recognition. Journal of Cognitive Neuroscience 3(1), 1991.
# - A. E. Hoerl, R. W. Kennard: Ridge Regression: Biased Estimation for Nonorthogonal Problems.
#   Technometrics 12(1), 1970.
# - C. K. I. Williams, M. Seeger: Using the Nystroem Method to Speed Up Kernel Machines. NIPS 2000.
# - P. Mohanty, S. Sarkar, R. Kasturi: From Scores to Face Templates: A Model-Based Approach. IEEE TPAMI
#   29(12), 2007 (a linear reconstruction, from scores alone).
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5), 2019. arXiv 1703.00832.
