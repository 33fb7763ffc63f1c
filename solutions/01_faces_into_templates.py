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
# # 01 What is a template?
#
# **A face recognition system does not compare pictures. What does it compare instead, and how much
# does that thing know about the person?**
#
# What you will learn
#
# - what a *template* is: 128 numbers that an *encoder* makes of a picture;
# - how two templates are compared (cosine), and how to find a person in a gallery;
# - that a change of pose moves a template a little and a change of person moves it a lot;
# - how to test what a leaked template gives away, and what such a test must be compared with.
#
# | | |
# |---|---|
# | Time | 45 minutes, of which the computer takes less than one |
# | You need | Python and numpy arrays; no machine learning |
# | Exercises | 1.1 ★ cosine, 1.2 ★★ nearest neighbour, 1.3 ★★ split by identity, 1.4 ★ chance level |
#
# How exercises work: a cell with `# your code` waits for you. Run it, and `check` answers at once.
# `hint("1.1")` helps, `hint("1.1", level=2)` helps more. Nothing breaks while an exercise is
# unfinished: the chapter goes on with the library's own version.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import matplotlib.pyplot as plt
import numpy as np

from nbnet_lib.course.check import check
from nbnet_lib.course.explore import explore, show
from nbnet_lib.course.hints import hint  # for you: hint("1.1")  # noqa: F401
from nbnet_lib.course.profile import start

course = start(profile, seed, device)

# %% [markdown]
# ## Faces of people who do not exist
#
# A course about leaking faces should not leak any. Every face here is drawn by *SynthFaces*, a
# graphics program: nobody lent their face to it, nothing is downloaded, and the course may show,
# attack and reconstruct these pictures as it likes. A picture is a function of three whole numbers:
# `render(identity, sample, size)`. The *identity* fixes the head, the skin, the eyes; the *sample*
# fixes what changes from one photograph to the next: pose, light, expression, and what is worn.

# %% tags=["nbval-check-output"]
from nbnet_lib.faces import render, render_set, table

picture = render(identity=0, sample=0, size=64)
print("shape", picture.shape, "type", picture.dtype, "bytes", picture.nbytes)

# %% [markdown]
# Identities 0 to 9,999 are kept for evaluation; the encoder below was trained on others (10,000 and
# up). So to the encoder everybody in this chapter is a stranger, as you are to the camera at a gate.

# %%
n_identities = course.pick(quick=20, laptop=120, gpu=300)
n_samples = course.pick(quick=4, laptop=6)
faces = render_set(range(n_identities), samples=n_samples, size=64)
print(f"{len(faces)} pictures: {n_identities} identities x {n_samples} samples")

figure, axes = plt.subplots(4, 8, figsize=(8.8, 4.7))
for column in range(8):
    for row in range(4):
        axes[row, column].imshow(faces.images[column * n_samples + row])
        axes[row, column].set_axis_off()
    axes[0, column].set_title(f"identity {column}", fontsize=9)
show(
    figure, "Eight synthetic people in columns, each in four pictures of differing pose and light."
)

# %% [markdown]
# ## From a picture to 128 numbers
#
# An **encoder** is a network that was trained until pictures of one person land close together and
# pictures of different people land far apart. Its output is the **template** (also: embedding,
# feature vector). The training was somebody else's business; we use the encoder as a closed box, as
# a customer of a face recognition product does.
#
# ```text
# picture  64 x 64 x 3 bytes  ->  encoder  ->  template  128 numbers, length 1
# ```

# %% tags=["nbval-check-output"]
from nbnet_lib.encoders import create_encoder

encoder = create_encoder("synth", device=course.device)
one = encoder.embed(picture[None])  # [1, 64, 64, 3] -> [1, 128]
print("template:", tuple(one.shape), "length", round(float(one.norm()), 3))
print("bytes:", picture.nbytes, "->", one.element_size() * one.numel())

# %%
templates = encoder.embed(faces.images).numpy()  # [N, 64, 64, 3] -> [N, 128]
identities = np.asarray(faces.identities)  # [N]

figure, axes = plt.subplots(3, 2, figsize=(8.8, 4.2), width_ratios=[1, 7])
for row, (index, label) in enumerate(
    [(0, "identity 0, sample 0"), (1, "identity 0, sample 1"), (n_samples, "identity 1, sample 0")]
):
    axes[row, 0].imshow(faces.images[index])
    axes[row, 0].set_axis_off()
    axes[row, 1].bar(np.arange(128), templates[index], width=0.9, color=f"C{identities[index]}")
    axes[row, 1].set(ylim=(-0.35, 0.35), title=label, xlim=(-1, 128))
axes[2, 1].set_xlabel("entry of the template")
show(
    figure,
    "Three templates as bar charts: two of identity 0 follow the same pattern, that of "
    "identity 1 another.",
)

# %% [markdown]
# No single bar means "long nose". The numbers have meaning only together, as a direction in a space
# of 128 dimensions, and only against other templates of the *same* encoder.
#
# ## Comparing templates
#
# Two directions agree when the angle between them is small. The usual score is the **cosine** of
# that angle: 1 for the same direction, 0 for directions that have nothing to do with each other.
# For two vectors a and b it is their dot product divided by both lengths,
#
# ```text
# cosine(a, b) = (a · b) / (|a| |b|)
# ```
#
# ### Exercise 1.1 ★ cosine
#
# Write `cosine(a, b)` for two numpy vectors of any length (not only length 1).


# %%
def cosine(a, b):
    """Return the cosine similarity of two vectors, from -1 to 1."""
    ### BEGIN SOLUTION
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    ### END SOLUTION


check("1.1", cosine)

# %% [markdown]
# Our templates have length 1 already, so one matrix product gives all cosines at once:
# `templates @ templates.T`. Entry (i, j) compares picture i with picture j.

# %%
scores = templates @ templates.T  # [N, 128] x [128, N] -> [N, N]
some = slice(0, 10 * n_samples)
middle = np.arange(10) * n_samples + (n_samples - 1) / 2

figure, axis = plt.subplots(figsize=(5.4, 4.6))
shown = axis.imshow(scores[some, some], cmap="viridis", vmin=-0.2, vmax=1)
axis.set_xticks(middle, range(10))
axis.set_yticks(middle, range(10))
axis.set(xlabel="identity", ylabel="identity", title="Cosine of every two pictures")
figure.colorbar(shown, label="cosine")
show(
    figure,
    "Matrix of cosines of the pictures of ten people: bright blocks on the diagonal, one for each "
    "identity, on a dark ground.",
)

# %% [markdown]
# The bright blocks on the diagonal are pictures of one person. Away from the diagonal two strangers
# meet. Count both kinds:

# %%
same = identities[:, None] == identities[None, :]  # [N, N]
once = np.triu(np.ones_like(same), k=1)  # each pair once, no picture with itself
same_scores, other_scores = scores[same & once], scores[~same & once]
print(f"same person:  {len(same_scores):7,} pairs, mean cosine {same_scores.mean():.2f}")
print(f"other person: {len(other_scores):7,} pairs, mean cosine {other_scores.mean():.2f}")

bins = np.linspace(-0.5, 1, 61)
figure, axis = plt.subplots(figsize=(7, 3))
axis.hist(other_scores, bins, density=True, alpha=0.7, label="other person", color="C1")
axis.hist(same_scores, bins, density=True, alpha=0.7, label="same person", color="C0", hatch="//")
axis.set(xlabel="cosine", yticks=[], ylabel="relative frequency")
axis.legend(frameon=False)
show(
    figure,
    "Histogram of cosines: pairs of the same person lie far to the right of pairs of "
    "different people, with a small overlap.",
)

# %% [markdown]
# The two hills hardly touch. Chapter 02 measures how well they are separated; here it is enough that
# they are.
#
# ### Exercise 1.2 ★★ nearest neighbour
#
# A camera sends a template (the *query*). A *gallery* holds one template in each row. Return the
# number of the row that is most similar to the query. Do not assume that the rows have length 1.


# %%
def nearest(query, gallery):
    """Return the index of the row of gallery [n, d] with the highest cosine to query [d]."""
    ### BEGIN SOLUTION
    rows = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    return int(np.argmax(rows @ query))
    ### END SOLUTION


check("1.2", nearest)

# %%
gallery = templates[0::n_samples]  # sample 0 of everybody is enrolled: [identities, 128]
queries = templates[1::n_samples]  # sample 1 of everybody comes to the camera
hits = (queries @ gallery.T).argmax(axis=1)
print(
    f"found at first place: {np.mean(hits == np.arange(n_identities)):.1%} of {n_identities} people"
)

figure, axes = plt.subplots(4, 6, figsize=(8.8, 6.4))
for row in range(4):
    order = np.argsort(-(gallery @ queries[row]))[:5]
    axes[row, 0].imshow(faces.images[row * n_samples + 1])
    axes[row, 0].set_title(f"query: identity {row}", fontsize=9)
    for place, hit in enumerate(order, 1):
        axes[row, place].imshow(faces.images[hit * n_samples])
        axes[row, place].set_title(
            f"{hit}: {gallery[hit] @ queries[row]:.2f}",
            fontsize=9,
            fontweight="bold" if hit == row else "normal",
        )
for axis in axes.flat:
    axis.set_axis_off()
show(
    figure,
    "Four queries, each followed by the five most similar people of the gallery with their "
    "cosines; the right person is printed bold.",
)

# %% [markdown]
# ## A map of templates
#
# Nobody can look at 128 dimensions. Two ways to press them into a plane: **PCA** turns the cloud so
# that the two widest directions are seen; **t-SNE** (van der Maaten and Hinton 2008) places points so
# that neighbours stay neighbours. In a t-SNE map you may read *who is whose neighbour*. You may not
# read distances between groups or the size of a group: the method stretches them as it needs.

# %%
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

people = min(n_identities, 20)
chosen = templates[: people * n_samples]
owner = identities[: people * n_samples]
maps = {
    "PCA": PCA(n_components=2, random_state=seed).fit_transform(chosen),
    "t-SNE": TSNE(n_components=2, perplexity=5, random_state=seed).fit_transform(chosen),
}

figure, axes = plt.subplots(1, 2, figsize=(8.8, 4.1))
for axis, (name, points) in zip(axes, maps.items(), strict=True):
    for person in range(people):
        mine = points[owner == person]
        axis.scatter(*mine.T, s=24, color=plt.cm.tab20(person % 20))
        axis.annotate(str(person), mine.mean(axis=0), fontsize=9, ha="center", va="center")
    axis.set(title=f"{name}: {people} people x {n_samples} pictures", xticks=[], yticks=[])
show(
    figure,
    "Two maps of the templates of 20 people. In the PCA map the people overlap; in the "
    "t-SNE map the pictures of each person form a small group of their own.",
)

# %% [markdown]
# ## Another pose or another person?
#
# Turn the head, and thousands of pixels change. A good encoder hardly moves. SynthFaces knows the
# exact pose of each picture, so we can draw the cosine of two pictures of one person against the
# angle between their head turns (yaw), and beside it how far apart the pixels are.

# %%
poses = table(range(n_identities), samples=n_samples, columns=["yaw_deg"])
yaw = poses["yaw_deg"].to_numpy()
first, second = np.nonzero(same & once)
angle = np.abs(yaw[first] - yaw[second])
pixels = faces.images.reshape(len(faces), -1).astype(np.float32) / 127.5 - 1
pixel_gap = np.abs(pixels[first] - pixels[second]).mean(axis=1)
strangers_low, strangers_high = np.quantile(other_scores, [0.05, 0.95])

figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.4))
axes[0].scatter(angle, pixel_gap, s=6, alpha=0.4)
axes[0].set(xlabel="difference in yaw (degrees)", ylabel="mean pixel difference", title="pixels")
axes[1].scatter(angle, scores[first, second], s=6, alpha=0.4, label="same person")
axes[1].axhspan(strangers_low, strangers_high, color="C1", alpha=0.3, label="90 % of strangers")
axes[1].set(
    xlabel="difference in yaw (degrees)", ylabel="cosine", title="templates", ylim=(-0.75, 1)
)
axes[1].legend(frameon=False, loc="lower left")
show(
    figure,
    "Left: pixel differences of pictures of one person grow with the turn of the head. "
    "Right: their cosine stays, with few exceptions, far above the band in which strangers lie.",
)
print(
    "correlation of the turn with the pixel difference:",
    round(np.corrcoef(angle, pixel_gap)[0, 1], 2),
)
print(
    "correlation of the turn with the cosine:          ",
    round(np.corrcoef(angle, scores[first, second])[0, 1], 2),
)

# %% [markdown]
# ## Try it: change one thing
#
# A photograph of somebody ten years older is also a photograph in another light. Here everything
# about a picture is a parameter, so *one* can be changed with all else fixed: what then happens to
# the template is the effect of that parameter and of nothing else. `render(..., changes={...})` does
# it; `nbnet faces parameters` lists what there is to change.
#
# Move a slider and look at the black line. Some changes leave the picture of a person a picture of
# the same person, to the encoder; some make a stranger of them. Before you move one: which will it
# be for the yaw, for a smile, for the width of the nose, for glasses?

# %%
from nbnet_lib.course.faces import before_and_after, parameter_controls

owners = table(range(n_identities), columns=["glasses"]).query("glasses != 'none'")["identity"]
chosen_one = int(owners.iloc[0])  # somebody who has glasses to put on
before = render(chosen_one, sample=0, size=128)
before_template = encoder.embed(before[None])[0]
same_band = np.quantile(same_scores, [0.05, 0.95])


def change(**changes):
    """A face before and after the changes, and the cosine of the two among all pairs above."""
    after = render(chosen_one, sample=0, size=128, changes=changes)
    cosine = float(encoder.embed(after[None])[0] @ before_template)
    return before_and_after(before, after, cosine, same_band, (strangers_low, strangers_high))


sliders = parameter_controls(
    chosen_one,
    0,
    [
        "gender_axis",
        "age_years",
        "melanin",
        "weight",
        "shape/nose/nose-scale-horiz-incr",
        "shape/mouth/mouth-scale-horiz-incr",
        "shape/chin/chin-width-incr",
        "hair_style",
        "yaw_deg",
        "pitch_deg",
        "smile",
        "jaw_open",
        "light_azimuth_deg",
        "light_elevation_deg",
        "wears_glasses",
        "headwear",
    ],
)
sliders["yaw_deg"].value = 25.0  # one change to begin with
explore(change, **sliders)

# %% [markdown]
# ## Try it: two pictures and their score
#
# Choose two pictures. The line shows their cosine among all pairs of this chapter. Look for two
# strangers who score high, and for two pictures of one person who score low: they exist, and chapter
# 02 is about them.


# %%
def compare(identity=0, sample=0, other_identity=0, other_sample=1):
    """Two chosen pictures and where their cosine lies among all pairs of this chapter."""
    i, j = identity * n_samples + sample, other_identity * n_samples + other_sample
    figure, axes = plt.subplots(1, 3, figsize=(8.8, 2.8), width_ratios=[1, 1, 2.2])
    for axis, index in zip(axes, (i, j), strict=False):
        axis.imshow(faces.images[index])
        axis.set_title(f"identity {identities[index]}, sample {index % n_samples}", fontsize=9)
        axis.set_axis_off()
    axes[2].hist(other_scores, bins, density=True, alpha=0.6, label="other person", color="C1")
    axes[2].hist(same_scores, bins, density=True, alpha=0.6, label="same person", color="C0")
    axes[2].axvline(
        scores[i, j], color="black", linewidth=2, label=f"these two: {scores[i, j]:.2f}"
    )
    axes[2].set(yticks=[], xlabel="cosine")
    axes[2].legend(frameon=False, fontsize=8, loc="upper left")
    return figure


explore(
    compare,
    identity=(0, n_identities - 1),
    sample=(0, n_samples - 1),
    other_identity=(0, n_identities - 1),
    other_sample=(0, n_samples - 1),
)

# %% [markdown]
# ## What leaks when a template leaks?
#
# It is often said that a template is only numbers and cannot be turned back. This course tests that
# claim. The whole picture comes in chapter 04; a first look is a **probe**: a simple model that tries
# to read one property from the template. SynthFaces gives us the truth for free, because we know the
# parameters each face was drawn with. Please read them as what they are: *switches of a graphics
# model*, not facts about people. "gender" here selects a head shape and the hair, beard and make-up
# to draw from, nothing else.
#
# Two things make such a test honest.
#
# **The people in the test must be new.** If pictures of one person are in both halves, the probe can
# recognise the person and look the answer up.
#
# ### Exercise 1.3 ★★ split by identity
#
# `identities` holds the person of every picture. Return a mask that is True for the pictures of the
# test half: a `test_share` of the *people*, chosen with the generator `rng`.


# %%
def split_by_identity(identities, test_share, rng):
    """Return a bool mask [N]: True for every picture of the people drawn for the test."""
    ### BEGIN SOLUTION
    people = np.unique(identities)
    chosen = rng.permutation(people)[: round(test_share * len(people))]
    return np.isin(identities, chosen)
    ### END SOLUTION


check("1.3", split_by_identity)

# %% [markdown]
# **A hit rate means nothing without the chance level.** If 80 of 100 people have brown eyes, saying
# "brown" without looking is right 80 % of the time.
#
# ### Exercise 1.4 ★ chance level
#
# Return the hit rate of the best guesser who never looks: the one who always gives the most frequent
# label.


# %%
def chance_level(labels):
    """Return the share (0 to 1) of the most frequent label."""
    ### BEGIN SOLUTION
    counts = np.unique(labels, return_counts=True)[1]
    return counts.max() / len(labels)
    ### END SOLUTION


check("1.4", chance_level)

# %% [markdown]
# Now the probe: ridge regression, a linear model. It sees templates only. We split the people into
# five parts and test on each in turn, so that every person is tested once by a probe that never saw
# them (scikit-learn's `GroupKFold` does what you wrote in 1.3).

# %%
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import RidgeClassifier, RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict

truth = table(range(n_identities)).set_index("identity").loc[identities]
folds = GroupKFold(n_splits=5)
names, found, chance = [], [], []
for name in ["gender", "ancestry_main", "eye_color"]:
    labels = truth[name].to_numpy(dtype=str)
    guess = cross_val_predict(
        RidgeClassifier(alpha=1.0), templates, labels, groups=identities, cv=folds
    )
    names.append(name)
    found.append(np.mean(guess == labels))
    chance.append(
        DummyClassifier(strategy="most_frequent").fit(templates, labels).score(templates, labels)
    )
    print(f"{name:14s} probe {found[-1]:5.1%}   chance {chance[-1]:5.1%}")

melanin = truth["melanin"].to_numpy()
guess = cross_val_predict(
    RidgeCV(alphas=np.logspace(-3, 2, 11)), templates, melanin, groups=identities, cv=folds
)
r2 = 1 - np.mean((guess - melanin) ** 2) / np.var(melanin)
print(f"melanin        R2 {r2:.2f}        (0 is what the mean of all faces scores)")
if n_identities < 50:
    print(
        f"Only {n_identities} people in this profile: these shares are rough, by 10 points and more."
    )

figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.2))
position = np.arange(len(names))
axes[0].bar(position - 0.2, found, 0.4, label="probe on templates", color="C0")
axes[0].bar(position + 0.2, chance, 0.4, label="chance level", color="0.7", hatch="//")
axes[0].set_xticks(position, names)
axes[0].set(ylim=(0, 1.3), yticks=np.arange(0, 1.1, 0.2), ylabel="share right, new people")
axes[0].legend(frameon=False, fontsize=8, loc="upper right")
axes[1].scatter(melanin, guess, s=8, alpha=0.5)
axes[1].plot([0, 1], [0, 1], color="black", linewidth=1)
axes[1].set(xlabel="melanin parameter", ylabel="read from the template", title=f"R² = {r2:.2f}")
show(
    figure,
    "Left: shares of gender, ancestry and eye colour parameters that a linear probe reads "
    "from templates of new people, beside the chance levels. Right: the melanin parameter against "
    "what the probe read.",
)

# %% [markdown]
# The encoder was never asked for any of these parameters. It learned to tell people apart, and what
# tells people apart stays in the template. Not everything does: an iris is two or three pixels wide
# here; look at the bar of eye colour beside its chance level. A bar that just clears its chance
# level is no finding; a probe that fails is no proof that nothing is there.
#
# ## What can go wrong
#
# - **Comparing templates of different encoders.** Each encoder has its own space; the cosine of
#   templates from two encoders is noise. Store the encoder's name with the template.
# - **Testing on people from the training half.** Every score looks better than it is. This library
#   keeps identities below 10,000 for evaluation and refuses to train on them.
# - **Reading distances off a t-SNE map.** Only neighbourhoods are meant.
# - **Reading a probe as a cause.** Where two properties go together, a probe for one may use the other:
#   here only "male" heads get beards, so the gender probe may be reading the beard. The sliders above
#   can change one thing alone; a probe cannot.
# - **Synthetic faces are easier and narrower than real ones.** Alignment is exact, and nobody looks
#   like a sister. Numbers from here are about this encoder and these pictures; the data card
#   (`nbnet_lib/faces/DATACARD.md`) says what the pictures are and are not.
#
# ## For those who defend
#
# A template that identifies a person is personal data, in the European Union biometric data of the
# special category in GDPR Article 9. ISO/IEC 24745 asks three things of stored templates: nobody can
# go back to the picture (*irreversibility*), two databases cannot be matched (*unlinkability*), and a
# leaked template can be replaced (*renewability*). A bare template such as ours offers none of the
# three by itself: the probe above already takes something from it, the nearest neighbour of 1.2 links
# two databases, and you cannot change your face. So: store no more templates than needed, encrypt
# them, keep the scores and the encoder away from strangers, and plan for the leak.
#
# ## Summary
#
# - An encoder turns a picture into a template, here 128 numbers of length 1.
# - Templates are compared by cosine; same person high, strangers near zero.
# - Pose moves a template little, another person moves it far: that is what the encoder was made for.
# - Some properties that nobody asked for can be read from it, well above the chance level.
#
# Next: [02 How is verification measured?](02_measuring_verification.ipynb)
#
# ## References
#
# - F. Schroff, D. Kalenichenko, J. Philbin: FaceNet: A Unified Embedding for Face Recognition and
#   Clustering. CVPR 2015.
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5), 2019. arXiv 1703.00832.
# - L. van der Maaten, G. Hinton: Visualizing Data using t-SNE. JMLR 9, 2008.
# - ISO/IEC 24745: Biometric information protection. 2022.
