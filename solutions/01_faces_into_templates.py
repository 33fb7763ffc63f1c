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
# # 01 Faces into templates
#
# **A face recognition system does not compare pictures. What does it compare instead, how does a
# picture get there, and can one calculate with the result?**

# %% [markdown]
# What you will learn
#
# - what a *template* is: 128 numbers that an *encoder* makes of a picture;
# - how two templates are compared (cosine), and how to find a person in a gallery;
# - why a face is straightened before anything else, and what happens when that goes wrong;
# - how to test an encoder before you use it: the same people in grey, blurred, with the head turned;
# - that templates can be averaged, shifted and blended, what that is good for, and where it fools you.
#
# | | |
# |---|---|
# | Time | 75 minutes, of which the computer takes less than one |
# | You need | Python and numpy arrays; no machine learning |
# | Exercises | 1.1 ★ cosine similarity, 1.2 ★★★ straighten a face, 1.3 ★★ nearest neighbour, 1.4 ★★ average template |
#
# Exercises wait at `# your code`; `check` answers at once, `hint("1.1")` helps. Chapter 00 says more.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import matplotlib.pyplot as plt
import numpy as np

from nbnet_lib.course import check, explore, hint, quiz, show, start  # hint("1.1") helps  # noqa: F401

course = start(profile, seed, device)

# %% [markdown]
# ## Faces of people who do not exist
#
# A course about leaking faces should not leak any. Every face here is drawn by *SynthFaces*, a
# graphics program: nobody lent their face to it, nothing is downloaded. A picture is a function of
# three whole numbers: `render(identity, sample, size)`. The *identity* fixes the head, the skin, the
# eyes; the *sample* fixes what changes from one photograph to the next: pose, light, expression, and
# what is worn, down to how the hair is worn today.

# %% tags=["nbval-check-output"]
from nbnet_lib.faces import render, render_set, render_truth, table

picture = render(identity=0, sample=0, size=64)
print("shape", picture.shape, "type", picture.dtype, "bytes", picture.nbytes)

# %% [markdown]
# Identities 0 to 9,999 are kept for evaluation; the encoder below was trained on others (100,000 and
# up). So to the encoder everybody in this chapter is a stranger, as you are to the camera at a gate.

# %% tags=["slide"]
n_identities = course.pick(quick=20, laptop=120, gpu=300)
n_samples = course.pick(quick=4, laptop=6)
faces = render_set(range(n_identities), samples=n_samples, size=64)
print(f"{len(faces)} pictures: {n_identities} identities x {n_samples} samples")

figure, axes = plt.subplots(3, 8, figsize=(8.8, 3.6))
for column in range(8):
    for row in range(3):
        axes[row, column].imshow(faces.images[column * n_samples + row])
        axes[row, column].set_axis_off()
    axes[0, column].set_title(f"identity {column}", fontsize=9)
show(
    figure, "Eight synthetic people in columns, each in three pictures of differing pose and light."
)

# %% [markdown] tags=["slide"]
# ## From a picture to 128 numbers
#
# An **encoder** is a network that was trained until pictures of one person land close together and
# pictures of different people land far apart. Its output is the **template** (also: embedding,
# feature vector).
#
# ```text
# picture  64 x 64 x 3 bytes  ->  encoder  ->  template  128 numbers, length 1
# ```

# %% [markdown]
# The training was somebody else's business; we use the encoder as a closed box, as a customer of a
# face recognition product does.

# %% tags=["nbval-check-output"]
from nbnet_lib.encoders import create_encoder

encoder = create_encoder("synth", device=course.device)
one = encoder.embed(picture[None])  # [1, 64, 64, 3] -> [1, 128]
print("template:", tuple(one.shape), "length", round(float(one.norm()), 3))
print("bytes:", picture.nbytes, "->", one.element_size() * one.numel())

# %% tags=["subslide"]
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
# ### Exercise 1.1 ★ cosine similarity
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

# %% tags=["slide"]
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
# The two hills hardly touch. Chapter 02 measures how well they are separated; for now one number is
# enough. The encoder's card, measured on 300 people, gives the **threshold** that lets one stranger in
# a thousand pass:

# %%
threshold = encoder.card["verification"]["far"]["0.001"]["threshold"]
print(
    f"threshold {threshold:.2f}: {np.mean(same_scores >= threshold):.1%} of same-person pairs pass"
)
strangers_low, strangers_high = np.quantile(other_scores, [0.05, 0.95])

# %% [markdown]
# ## Would it know them in grey?
#
# Two hills far apart do not say *what* the encoder goes by. One that went by the colours of hair and
# skin would have such hills, too, and in a grey picture it would know nobody. So an encoder is **tested
# before it is used**: the first picture of everybody is put to it once more with one thing changed, and
# compared with the other pictures, which stay as they are. The threshold stays, too.
#
# Before you run the cell: without colour, with a tint (each channel up to a quarter stronger or weaker),
# blurred, with the head turned to 30 degrees. Which change costs most? And which changes most pixels?

# %%
from nbnet_lib.evaluate.conditions import change_pixels, conditions

originals = faces.images[::n_samples]  # sample 0 of everybody
probes = {"unchanged": originals}
for change in conditions():
    if change.name in ("grey", "tint", "blur"):
        probes[change.name] = change_pixels(originals, change, seed)
turned = [render(person, 0, 64, changes={"yaw_deg": 30.0}) for person in range(n_identities)]
probes["turned"] = np.stack(turned)

rest = np.arange(len(faces)) % n_samples > 0  # all other pictures
mine = identities[::n_samples, None] == identities[rest]  # [people, pictures of the rest]
shares = {}
for name, changed in probes.items():
    passed = encoder.embed(changed).numpy() @ templates[rest].T >= threshold
    gap = np.abs(changed.astype(float) - originals).mean() / 255
    shares[name] = passed[mine].mean()
    print(f"{name:9s}  pixels changed by {gap:5.1%}  accepted: ", end="")
    print(f"same person {shares[name]:.0%}, strangers {passed[~mine].mean():.2%}")

# %% tags=["slide"]
figure, axes = plt.subplots(2, 5, figsize=(8.8, 3.8))
for column, (name, changed) in enumerate(probes.items()):
    axes[0, column].set_title(f"{name}: {shares[name]:.0%}", fontsize=9)
    for row in range(2):
        axes[row, column].imshow(changed[row])
        axes[row, column].set_axis_off()
show(
    figure,
    "Two people, each in five pictures: unchanged, grey, tinted, blurred and with the head turned; above "
    "each column the share of same-person pairs that pass the threshold.",
)

# %% [markdown]
# Grey and tint cost next to nothing: this encoder does not go by colour. Blur and a turn take part of the
# face away and cost more; most people are still known, and no change lets noticeably more strangers in.
# Not every encoder is like that: chapter 03 puts grey pictures to one that then knows hardly anybody.
# `nbnet encoder test` makes fifteen such changes with any encoder (`--profile 200`: on 200 people). Do
# that first with one that you attack or defend: what is measured with an encoder that goes by colours
# does not carry over to one that goes by faces.

# %% [markdown] tags=["slide"]
# ## A photograph is not an input yet
#
# So far every face stood upright in the middle of its picture. Photographs are not like that: heads
# are tilted, off the middle, near or far.
#
# Before you run the next cell: the same people, the same encoder, but the face is tilted by up to 15
# degrees, off the middle, and a little farther away. What happens to the cosine?

# %%
n_photos = course.pick(quick=8, laptop=40)
rng = course.rng(1)


def photograph(identity, sample, roll=0.0, right=0.0, down=0.0):
    """A photograph [96, 96, 3] with room around the face, and its landmarks [5, 2] in pixels."""
    changes = {"zoom": -0.3, "roll_deg": roll, "shift_right": right, "shift_down": down}
    truth = render_truth(identity, sample, 96, changes=changes)
    return truth.image, truth.landmarks  # x, y of right eye, left eye, nose tip, mouth corners


tilt = rng.uniform(-15, 15, n_photos)  # degrees
away = rng.uniform(-0.15, 0.15, (n_photos, 2))  # shares of the side
photos = [photograph(i, 1, tilt[i], *away[i]) for i in range(n_photos)]
whole = np.stack([image for image, _ in photos])  # [n, 96, 96, 3]

enrolled = templates[0::n_samples]  # sample 0 of everybody: [identities, 128]
raw = encoder.embed(whole).numpy()  # the encoder shrinks them to 64 x 64
raw_scores = (raw * enrolled[:n_photos]).sum(axis=1)
print(f"mean cosine with the same person's enrolled picture: {raw_scores.mean():.2f}")
print(f"accepted at the threshold: {np.mean(raw_scores >= threshold):.0%} of {n_photos}")

# %% [markdown]
# Nearly everybody has become a stranger. Nothing about the *people* changed. The encoder never saw
# faces in such places, and nobody taught it that a tilted face is the same face.
#
# So every system straightens the face first: **alignment**. A detector finds a few *landmarks* (eyes,
# nose, mouth corners), and the picture is turned, scaled and shifted until they lie where the encoder
# expects them. SynthFaces knows its landmarks exactly, so we can look at this step alone, without the
# mistakes of a detector. This is where our encoder wants them in a picture of 64 x 64:

# %% tags=["nbval-check-output"]
from synthfaces.camera import REFERENCE  # shares of the side

places = REFERENCE.astype(float) * 64  # [5, 2]: right eye, left eye, nose tip, mouth corners
for name, (x, y) in zip(["right eye", "left eye", "nose", "mouth", "mouth"], places, strict=True):
    print(f"{name:10s} x {x:4.1f}  y {y:4.1f}")

# %% [markdown]
# Turning, scaling and shifting, but **no stretching**: a transform that squeezes a long face until it
# fits would wipe out what tells people apart. Such a *similarity transform* has four unknowns, a and b
# for turn and scale, and the shift:
#
# ```text
# x' = a x - b y + shift_x          | a  -b  shift_x |   | x |
# y' = b x + a y + shift_y     or   | b   a  shift_y | @ | y |
#                                                        | 1 |
# ```
#
# Five landmarks give ten equations for four unknowns. Heads differ, so no choice fits exactly; *least
# squares* takes the one with the smallest sum of squared distances.
#
# ### Exercise 1.2 ★★★ straighten a face
#
# Given points `source` and `target`, both [n, 2], return the matrix [2, 3] above. Two roads: write the
# equations as one system `rows @ [a, b, shift_x, shift_y] = values` and let `np.linalg.lstsq` solve it;
# or subtract the means first, then find a and b from two sums.


# %%
def similarity(source, target):
    """Return the matrix [2, 3] of the turn, scale and shift that brings source nearest to target."""
    ### BEGIN SOLUTION
    x, y = source[:, 0], source[:, 1]
    one, none = np.ones(len(x)), np.zeros(len(x))
    rows = np.concatenate(
        [np.stack([x, -y, one, none], axis=1), np.stack([y, x, none, one], axis=1)]
    )  # [2n, 4]
    values = np.concatenate([target[:, 0], target[:, 1]])  # [2n]
    a, b, shift_x, shift_y = np.linalg.lstsq(rows, values, rcond=None)[0]
    return np.array([[a, -b, shift_x], [b, a, shift_y]])
    ### END SOLUTION


result = check("1.2", similarity)

# %% [markdown]
# From here on the chapter straightens with your function if it passed, else with the library's.

# %%
import PIL.Image

from synthfaces.camera import fit_similarity


def library_similarity(source, target):
    """The same from the library: [2, 3]."""
    matrix, shift = fit_similarity(source, target)
    return np.concatenate([matrix, shift[:, None]], axis=1)


straighten = similarity if result else library_similarity


def cut(photo, matrix, size=64):
    """Cut out [size, size, 3]; matrix takes points of the photo to points of the result."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]  # PIL asks where each pixel came from
    kind, quality = PIL.Image.Transform.AFFINE, PIL.Image.Resampling.BICUBIC
    image = PIL.Image.fromarray(photo).transform((size, size), kind, back.ravel(), quality)
    return np.asarray(image)


aligned = np.stack([cut(image, straighten(points, places)) for image, points in photos])
aligned_scores = (encoder.embed(aligned).numpy() * enrolled[:n_photos]).sum(axis=1)
print(f"as it came: mean cosine {raw_scores.mean():.2f}, ", end="")
print(f"accepted {np.mean(raw_scores >= threshold):.0%}")
print(f"aligned:    mean cosine {aligned_scores.mean():.2f}, ", end="")
print(f"accepted {np.mean(aligned_scores >= threshold):.0%}")

# %% tags=["slide"]
figure, axes = plt.subplots(3, 8, figsize=(8.8, 3.7))
for i in range(8):
    axes[0, i].imshow(photos[i][0])
    axes[0, i].scatter(*photos[i][1].T, s=9, color="yellow", edgecolors="black", linewidths=0.5)
    axes[0, i].set_title(f"{raw_scores[i]:.2f}", fontsize=9)
    axes[1, i].imshow(aligned[i])
    axes[1, i].scatter(*places.T, s=14, color="cyan", marker="+", linewidths=0.9)
    axes[1, i].set_title(f"{aligned_scores[i]:.2f}", fontsize=9)
    axes[2, i].imshow(faces.images[i * n_samples])
for row, name in enumerate(["photograph", "aligned", "enrolled"]):
    axes[row, 0].set_ylabel(name)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
show(
    figure,
    "Eight crooked photographs with their five landmarks, the same after alignment, and the enrolled "
    "picture; the cosine above each is low before and high after alignment.",
)

# %% [markdown]
# One least-squares fit, and nearly everybody is recognised again. The network was not touched.
#
# ### How exact must it be?
#
# A detector is never exact. Now photographs are aligned perfectly, then moved away on purpose: by a
# shift, a turn, a scale, each alone. Before you run the cell: how many degrees does it take until the
# encoder loses half of its people?


# %%
straight = [photograph(i, 1) for i in range(n_photos)]
exact = [straighten(points, places) for _, points in straight]


def moved(shift=0.0, turn=0.0, scale=1.0):
    """Cosines [n] with the enrolled pictures after a deliberate error of the alignment."""
    c, s = scale * np.cos(np.radians(turn)), scale * np.sin(np.radians(turn))
    about = np.array([[1, 0, 32], [0, 1, 34], [0, 0, 1.0]])  # turn about the middle of the face
    error = about @ [[c, -s, 64 * shift], [s, c, 0], [0, 0, 1]] @ np.linalg.inv(about)
    images = [
        cut(image, error[:2] @ np.vstack([matrix, [0, 0, 1]]))
        for (image, _), matrix in zip(straight, exact, strict=True)
    ]
    return (encoder.embed(np.stack(images)).numpy() * enrolled[:n_photos]).sum(axis=1)


steps = {
    "shift": [0, 0.03, 0.06, 0.1, 0.15, 0.2],
    "turn": [0, 5, 10, 15, 20, 30, 45],
    "scale": [0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.35, 1.5],
}
curves = {name: [moved(**{name: v}) for v in values] for name, values in steps.items()}

# %% tags=["slide"]
drawn = table(range(n_identities), samples=n_samples, columns=["shift_right", "roll_deg", "zoom"])
usual = {
    "shift": (0, 2 * drawn["shift_right"].std() + 3 / 64),  # its training moved by 3 pixels more
    "turn": (0, 2 * drawn["roll_deg"].std()),
    "scale": (1 - 2 * drawn["zoom"].std(), 1 + 2 * drawn["zoom"].std()),
}
labels = {"shift": "shift (share of the side)", "turn": "turn (degrees)", "scale": "scale"}
figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.1), sharey=True)
for axis, (name, values) in zip(axes, steps.items(), strict=True):
    low, middle, high = np.quantile(curves[name], [0.1, 0.5, 0.9], axis=1)
    axis.fill_between(values, low, high, alpha=0.25, color="C0", linewidth=0)
    axis.plot(values, middle, "o-", color="C0", label="same person")
    axis.axhspan(strangers_low, strangers_high, color="C1", alpha=0.3, label="90 % of strangers")
    axis.axhline(threshold, color="black", linestyle="--", linewidth=1, label="threshold")
    axis.axvspan(*usual[name], color="0.85", zorder=0, label="what it was trained with")
    axis.set(xlabel=labels[name], ylim=(-0.35, 1))
axes[0].set_ylabel("cosine")
axes[0].legend(frameon=False, fontsize=7, loc="lower left")
show(
    figure,
    "Cosine with the enrolled picture against a shift, a turn and a scale after exact alignment: flat "
    "at first, then falling: below the threshold, and with a large turn into the band of strangers.",
)
half = next((v for v, s in zip(steps["turn"], curves["turn"], strict=True)
             if np.mean(s >= threshold) < 0.5), None)  # fmt: skip
print(f"turn at which fewer than half are accepted: {half} degrees")

# %% [markdown]
# Two things are worth keeping. The curve is **flat** where the grey band is: pictures in training were
# moved about by so much, and the encoder learned to ignore it. Well beyond the band it **falls**,
# with a large turn down to the strangers: nothing in the network knows what a turn is. Invariance is
# not given to a network, it is trained into it, as far as the training data went and little further.
#
# This matters to attackers and auditors alike: whoever feeds pictures of another framing into an encoder
# measures nonsense. A reconstruction attack "that fails" has often only been cut out wrongly.

# %% [markdown]
# ## Finding somebody
#
# ### Exercise 1.3 ★★ nearest neighbour
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


check("1.3", nearest)

# %% tags=["slide"]
gallery = enrolled  # sample 0 of everybody: [identities, 128]
queries = templates[1::n_samples]  # sample 1 of everybody comes to the camera
hits = (queries @ gallery.T).argmax(axis=1)
print(
    f"found at first place: {np.mean(hits == np.arange(n_identities)):.1%} of {n_identities} people"
)

figure, axes = plt.subplots(3, 6, figsize=(8.8, 4.9))
for row in range(3):
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
    "Three queries, each followed by the five most similar people of the gallery with their "
    "cosines; the right person is printed bold.",
)

# %% [markdown]
# Look at what this also means. Nothing but 128 numbers was compared, and the same person came out of
# two different days. If two services use the same encoder and both lose their databases, this one
# line finds nearly everybody who is in both. That is what *unlinkability* in ISO/IEC 24745 is about, and a
# bare template does not have it.

# %% [markdown]
# ## A map of templates
#
# Nobody can look at 128 dimensions. Two ways to press them into a plane: **PCA** turns the cloud so
# that the two widest directions are seen; **t-SNE** (van der Maaten and Hinton 2008) places points so
# that neighbours stay neighbours. In a t-SNE map you may read *who is whose neighbour*. You may not
# read distances between groups or the size of a group: the method stretches them as it needs.

# %% tags=["slide"]
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
    "Two maps of the templates of 20 people. In the PCA map some people overlap; in the "
    "t-SNE map the pictures of each person form a small group of their own.",
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

# %% tags=["slide"]
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
        "beard",
        "yaw_deg",
        "pitch_deg",
        "smile",
        "jaw_open",
        "light_azimuth_deg",
        "wears_glasses",
        "headwear",
    ],
)
sliders["yaw_deg"].value = 25.0  # one change to begin with
explore(change, **sliders)

# %% [markdown]
# For this person the width of the nose, another haircut and the glasses change next to nothing; a full
# beard, a smile, thirty years of age little. Now try the skin ("melanin"), then the sex ("gender_axis").
# The reason lies in the training. In the pictures that this encoder learned from, a person's hair, beard
# and glasses were those of several years, and heads, light and colours varied, so it learned to overlook
# them. What lasts it had to keep: sex, age, ancestry, skin (dark skin is dark in grey, too) and bones
# were to be read from the template. What is the same in all pictures of a person *is* the person, to an
# encoder, if it can be seen. The nose stays the same, too, but at 64 pixels it is small; and the age
# slider changes the skin only faintly and leaves the hair its colour (chapter 03).

# %% [markdown] tags=["slide"]
# ## Calculating with templates
#
# Templates are vectors. Vectors can be averaged, subtracted, blended. Does the result mean anything?
#
# - The **average** of several pictures of one person: a better template?
# - A **difference**, "65 years" minus "25 years": a direction that holds for everybody?
# - A **blend** of two people: nobody, or both?

# %% [markdown]
# ### Several pictures of one person
#
# A template is the person plus an accident: the light, the turn, the mood of that day. Accidents
# average out. At enrolment many systems take several pictures for that reason.
#
# ### Exercise 1.4 ★★ average template
#
# Return one template for several templates of one person, rows of [k, d]: the direction of their mean,
# with length 1, so that it can be compared like any other.


# %%
def average(several):
    """Return one template [d] of length 1 for several templates [k, d] of length 1."""
    ### BEGIN SOLUTION
    mean = several.mean(axis=0)
    return mean / np.linalg.norm(mean)
    ### END SOLUTION


result = check("1.4", average)

# %% [markdown]
# Now measure it honestly. Every picture is the query once; the template of each person is made of `k`
# *other* pictures. Beside it the obvious rival: average the **pictures** and take the template of that.
#
# Before you run it: which of the two will win, and by how much?


# %%
def unit(vectors):
    """Vectors [..., d] with length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


by_person = templates.reshape(n_identities, n_samples, 128)  # [people, samples, 128]
images = faces.images.reshape(n_identities, n_samples, 64, 64, 3)
counts = range(1, n_samples)
found = {"mean of templates": [], "mean of pixels": []}
if result:
    print("averaging with your function")
for k in counts:
    own = {name: [] for name in found}
    for q in range(n_samples):
        others = [(q + step) % n_samples for step in range(1, k + 1)]
        if result:
            means = np.stack([average(rows) for rows in by_person[:, others]])
        else:
            means = unit(by_person[:, others].mean(axis=1))  # [people, 128]
        blurred = images[:, others].mean(axis=1).round().astype(np.uint8)  # [people, 64, 64, 3]
        own["mean of templates"].append((by_person[:, q] * means).sum(axis=1))
        own["mean of pixels"].append((by_person[:, q] * encoder.embed(blurred).numpy()).sum(axis=1))
    for name, lists in own.items():
        found[name].append(np.concatenate(lists))

# %% [markdown]
# There is even a formula for what to expect. Let r be the mean cosine of two pictures of one person.
# If a template is a fixed part plus accidents that have nothing to do with each other, the cosine of a
# new picture with the mean of k others is
#
# ```text
# r / sqrt((1 + (k - 1) r) / k)
# ```

# %% tags=["slide"]
r = same_scores.mean()
theory = [r / np.sqrt((1 + (k - 1) * r) / k) for k in counts]
figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.3))
for (name, lists), color in zip(found.items(), ["C0", "C1"], strict=True):
    axes[0].plot(counts, [np.mean(s) for s in lists], "o-", color=color, label=name)
    missed = [100 * np.mean(s < threshold) for s in lists]
    axes[1].plot(counts, missed, "o-", color=color, label=name)
axes[0].plot(counts, theory, "k--", linewidth=1, label="the formula")
axes[0].set(xlabel="pictures in the template", ylabel="mean cosine, same person", xticks=counts)
axes[1].set(xlabel="pictures in the template", ylabel="rejected (%)", xticks=counts)
axes[1].set_ylim(bottom=0)
axes[0].legend(frameon=False)
show(
    figure,
    "Left: the mean cosine of a new picture with the mean of k templates grows with k as the formula "
    "says; with the mean of k pictures it stays far behind. Right: share of honest pictures rejected.",
)

# %% [markdown]
# The average of *templates* wins, close to the formula; the average of *pictures* does not help, for a
# blurred double exposure is not what the encoder was trained on. Most of the gain comes with the second
# and third picture.
#
# This cuts against the defender too. If several templates of one person leak, the attacker averages
# them, and holds a better template than any that leaked.

# %% [markdown] tags=["slide"]
# ## A direction for a trait?
#
# Word vectors became famous for "king - man + woman = queen". Do templates have such directions? We
# can ask better than with words: SynthFaces draws the *same* picture with and without glasses, at 25 and
# at 65 years, so the difference is that trait and nothing else.
#
# Find the mean difference on some people, and add it to the templates of *other* people.

# %% [markdown]
# The direction is learned from identities 30,000 and up, whom the encoder has never seen. It is tried on
# identities 0 and up. Two questions are asked of it:
#
# 1. Does adding the direction bring a template closer to the true one, the one of the picture drawn
#    with the trait?
# 2. Put the true template among those of all the other people, with and without: is it now the
#    *nearest*?

# %%
TRAITS = {
    "glasses": ({"glasses": "round", "wears_glasses": False},
                {"glasses": "round", "wears_glasses": True}),
    "smile": ({"smile": 0.0}, {"smile": 0.8}),
    "40 years": ({"age_years": 25}, {"age_years": 65}),
    "full beard": ({"beard": "none"}, {"beard": "full"}),
    "darker skin": ({"melanin": 0.2}, {"melanin": 0.8}),
}  # fmt: skip
n_people = course.pick(quick=4, laptop=16, gpu=60)
traits = course.pick(quick=["glasses", "darker skin"], laptop=list(TRAITS))


def drawn_with(people, changes):
    """Templates [n, 128] of the first picture of each person, drawn with these changes."""
    pictures = [render(person, 0, 64, changes=changes) for person in people]
    return encoder.embed(np.stack(pictures)).numpy()


def direction_and_test(trait):
    """Mean difference [128] on some people; templates without and with it, of other people."""
    without, having = TRAITS[trait]
    some = range(30_000, 30_000 + n_people)
    direction = (drawn_with(some, having) - drawn_with(some, without)).mean(axis=0)
    return direction, drawn_with(range(n_people), without), drawn_with(range(n_people), having)


measured = {trait: direction_and_test(trait) for trait in traits}

# %% tags=["slide"]
started, arrived, goal, itself = [], [], [], []
for direction, without, having in measured.values():
    shifted = unit(without + direction)
    started.append((without * having).sum(axis=1).mean())
    arrived.append((shifted * having).sum(axis=1).mean())
    pool = np.concatenate([having, without])  # [2n, 128]: the goal of person i is row i
    nearest_row = (shifted @ pool.T).argmax(axis=1)
    goal.append(np.mean(nearest_row == np.arange(n_people)))
    itself.append(np.mean(nearest_row == np.arange(n_people) + n_people))

place = np.arange(len(traits))
figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.3))
axes[0].bar(place - 0.2, started, 0.4, color="0.7", label="template without it", hatch="//")
axes[0].bar(place + 0.2, arrived, 0.4, color="C0", label="plus the direction")
axes[0].set(ylabel="cosine with the true one", ylim=(0, 1.35), yticks=np.arange(0, 1.1, 0.2))
axes[0].legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
axes[1].bar(place, goal, color="C0", label="the true template")
axes[1].bar(place, itself, bottom=goal, color="0.7", hatch="//", label="where it started")
axes[1].set(ylabel="nearest of all", ylim=(0, 1.35), yticks=np.arange(0, 1.1, 0.2))
axes[1].legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
for axis in axes:
    axis.set_xticks(place, traits, fontsize=8)
show(
    figure,
    "Left: adding the direction of a trait raises the cosine with the true template, most where the "
    "trait changes the template most. Right: for glasses, smile and beard the nearest template is still the "
    "one it started from, for age mostly the true one.",
)
for trait, b, a, g in zip(traits, started, arrived, goal, strict=True):
    print(f"{trait:12s} cosine {b:.2f} -> {a:.2f}; nearest is the true one: {g:.0%}")

# %% [markdown]
# To the first question yes, where the trait changes the template at all: glasses hardly do, skin does
# most. **The direction is real**: learned on some people, it moves others the right way. To the second
# mostly no: **the famous arithmetic works for age and fails for most**. The nearest template is mostly the
# one we started from. What is common to everybody does not bridge what a beard does to *this* face.
#
# The same was found for word vectors: "king - man + woman" lies nearest to *king*; the programs that
# print *queen* leave the three input words out of the search (Nissim and others 2020). When somebody
# shows you arithmetic with embeddings, ask what was excluded.
#
# For privacy the small part is enough. Nobody needs the true template to *read* a trait; a direction
# that is common to everybody can be looked for in every leaked template. Chapter 03 does that.

# %% [markdown] tags=["slide"]
# ## Half you, half me
#
# Take two people, average their templates, set the length to 1. Who is it?
#
# Before you run the cells: two strangers have a cosine near 0. What is the cosine of the blend with
# each of the two? Nobody's face is needed for the answer, only Pythagoras.

# %% tags=["nbval-check-output"]
for n in (2, 3, 4, 8):
    directions = np.eye(8)[:n]  # n vectors at right angles, as strangers nearly are
    print(f"blend of {n}: cosine with each {unit(directions.sum(axis=0)) @ directions[0]:.2f}")

# %% [markdown]
# With two people 0.71, above the threshold. That is for the very templates that were blended; what
# matters is a *fresh* picture. So: blend the templates of n people, then let every one of
# them come with all their other pictures. Once each person gives one picture, once the average of
# three.


# %%
def accepted(n, pictures, repeats=200):
    """Share accepted of fresh pictures: of the n people in a blend, and of everybody else."""
    rng, inside, outside = course.rng(10 * n + pictures), [], []
    for _ in range(repeats):
        chosen = rng.choice(n_identities, n, replace=False)
        parts = unit(by_person[chosen, :pictures].mean(axis=1))  # [n, 128]
        passed = by_person[:, pictures:] @ unit(parts.sum(axis=0)) >= threshold
        inside.append(passed[chosen].mean())
        outside.append(np.delete(passed, chosen, axis=0).mean())
    return np.mean(inside), np.mean(outside)


sizes = [1, 2, 3, 4, 6]
blends = {pictures: np.array([accepted(n, pictures) for n in sizes]) for pictures in (1, 3)}

# %% tags=["slide"]
place = np.arange(len(sizes))
figure, axis = plt.subplots(figsize=(7.2, 3.1))
for shift, (pictures, shares) in zip((-0.2, 0.2), blends.items(), strict=True):
    bars = axis.bar(
        place + shift,
        100 * shares[:, 0],
        0.38,
        label=f"{pictures} picture{'s' * (pictures > 1)} of each",
        hatch="" if pictures > 1 else "//",
        color="C0" if pictures > 1 else "0.7",
    )
    axis.bar_label(bars, fmt="%.0f")
axis.set_xticks(place, sizes)
axis.set(xlabel="people in one template", ylabel="accepted (%)", ylim=(0, 112))
axis.legend(frameon=False)
show(
    figure,
    "Share of fresh pictures of the contributors that a blended template accepts: nearly all for one "
    "person, a quarter to a third for two, fewer with each further person.",
)
print(f"strangers accepted by a blend of two: {blends[3][1, 1]:.2%}, by one person: ", end="")
print(f"{blends[3][0, 1]:.2%}")

# %% [markdown]
# **One template, two people, and every third or fourth time the system lets either in.** Whoever may
# write a template into the database can share their access with a friend. And the false accept rate shows
# nothing: strangers pass no more often than before. With photographs this is the *morphing attack* on
# passports (Ferrara, Franco and Maltoni 2014); with templates it needs no network, only an addition.
#
# What does such a person look like? The decoder that this course builds can draw it: it turns any
# template into a face, also one that no face ever gave. How it does that is the matter of chapters 04
# to 09.

# %% tags=["subslide"]
from nbnet_lib.attack import reconstruct
from nbnet_lib.decoders import load_decoder
from nbnet_lib.faces import to_uint8

decoder = load_decoder("nbnet-b-64")
shares = np.linspace(0, 1, 7)


def blend(one=18, other=19, pictures=1):
    """Faces drawn from blends of two templates, and whom fresh pictures of both would pass as."""
    parts = [unit(by_person[i, :pictures].mean(axis=0)) for i in (one, other)]
    mixed = unit(np.stack([(1 - s) * parts[0] + s * parts[1] for s in shares]))  # [7, 128]
    drawn = to_uint8(reconstruct(decoder, mixed.astype(np.float32)))
    strip = [images[one, 0], *drawn, images[other, 0]]
    titles = [f"identity {one}", *(f"{1 - s:.0%} / {s:.0%}" for s in shares), f"identity {other}"]
    figure = plt.figure(figsize=(8.8, 3.6))
    grid = figure.add_gridspec(2, 9, height_ratios=[1, 1.7])
    for i, (image, title) in enumerate(zip(strip, titles, strict=True)):
        axis = figure.add_subplot(grid[0, i])
        axis.imshow(image)
        axis.set_title(title, fontsize=7)
        axis.set_axis_off()
    axis = figure.add_subplot(grid[1, :])
    for i, color, style in ((one, "C0", "o-"), (other, "C3", "s--")):
        fresh = by_person[i, pictures:] @ mixed.T  # [fresh pictures, 7]
        axis.plot(shares, fresh.mean(axis=0), style, color=color, label=f"identity {i}")
    axis.axhline(threshold, color="black", linewidth=1, linestyle=":", label="threshold")
    axis.set(xlabel=f"share of identity {other}", xlim=(-0.25, 1.25), ylim=(-0.3, 1))
    axis.set_title("mean cosine with fresh pictures", loc="left", fontsize=9)
    axis.legend(frameon=False, fontsize=8, loc="lower center", ncols=3)
    return figure


explore(
    blend,
    one=(0, n_identities - 1),
    other=(0, n_identities - 1),
    pictures=(1, n_samples - 1),
)

# %% [markdown]
# The faces glide from one person to the other, and every one in between looks like somebody. The pair
# above was chosen because it works; by the bars before, not every pair does. Look for two people where
# even three pictures are not enough. What do they have in common? (Mostly that their two templates point
# away from each other: a cosine clearly below zero. Or one of them varies much from picture to picture.)
#
# One question is left. Writing into a database is hard; handing in a photograph at enrolment is easy.
# Draw the face of the blend and enrol *that picture*. Does it still open for both?

# %%
pairs = [course.rng(100 + i).choice(n_identities, 2, replace=False) for i in range(100)]
mixed = unit(np.stack([by_person[pair, 0].sum(axis=0) for pair in pairs]))  # [100, 128]
enrolled_face = encoder.embed(reconstruct(decoder, mixed)).numpy()  # the drawn faces, enrolled
fresh = np.stack([by_person[pair, 1:] for pair in pairs])  # [100, 2, samples - 1, 128]
for name, rows in [("the blended template", mixed), ("a drawn face of it", enrolled_face)]:
    passed = np.einsum("pijd,pd->pij", fresh, rows) >= threshold
    print(f"{name:21s} accepts {passed.mean():.0%} of fresh pictures of the two")

# %% [markdown]
# The picture does worse than the template itself, and still far better than a stranger's: a face of
# nobody, handed in as a photograph, opens for two people now and then. Whether other recognisers and real
# photographs would behave like this is a question for chapters 10 and 11.

# %% [markdown]
# ## What can go wrong
#
# - **Comparing templates of different encoders.** Each encoder has its own space; the cosine of
#   templates from two encoders is noise. Store the encoder's name with the template.
# - **A framing that is not the encoder's.** The commonest cause of "the model does not work". If scores
#   are bad, look at the pictures as the encoder gets them before anything else.
# - **Stretching a face until it fits.** An affine fit puts the landmarks better in place than a
#   similarity transform, and takes away what tells people apart.
# - **Left and right.** The "right eye" of a list of landmarks is the subject's: on the left of the
#   picture. With eyes and mouth corners swapped no turn fits any more, and least squares
#   shrinks the face to a tenth.
# - **Averages without length 1.** The mean of templates is shorter than 1; a threshold made for length 1
#   then rejects everybody a little more.
# - **Arithmetic with the answer excluded.** See "king".
# - **Reading distances off a t-SNE map.** Only neighbourhoods are meant.
# - **Synthetic faces are easier and narrower than real ones.** Landmarks are exact, and nobody looks
#   like a sister. Numbers from here are about this encoder and these pictures; the data card
#   (`synthfaces/DATACARD.md`) says what the pictures are and are not.

# %% [markdown] tags=["slide"]
# ## For those who defend
#
# - Store few templates of a person: several leaked ones average to a better one.
# - Guard the **writing** of templates like the reading: a blend opens for two. Enrol from a live camera
#   under supervision, and compare the new template with all others: a blend is near to two.
# - Keep one encoder's space from being shared between services: the nearest neighbour links them.
# - Log the quality of the alignment: odd framings at the door are errors, or experiments.

# %% [markdown]
# A template that identifies a person is personal data, in the European Union biometric data of the
# special category in GDPR Article 9. ISO/IEC 24745 asks that nobody can go back to the picture, that two
# databases cannot be matched, and that a leaked template can be replaced. A bare template offers none
# of the three: this chapter matched two databases in one line, and drew faces from templates.
#
# ## Stretch
#
# - ★★ Which of the five landmarks matters most? Move one of them by 5 pixels before the fit and measure
#   the cosine. It worked if you can rank eyes, nose and mouth, and the ranking holds for other people.
# - ★★★ Replace `similarity` by a full affine fit (six unknowns) for all photographs. It worked if the
#   landmarks fit better than before, and you can say whether the cosines of the same person *and* those
#   of strangers went up.
# - ★★★ Find a defence against the blend: a rule at enrolment that refuses a blend of two enrolled people
#   and no honest new picture. It worked if you can give both error rates on people that you did not use
#   to choose the rule.
# - ★★★★ Find the direction of a trait with 5, 20 and 80 people, and measure how the cosine of the
#   direction with that of 80 *other* people grows. It worked if you can say how many people an attacker
#   has to draw.

# %% [markdown]
# ## Quiz

# %%
quiz("01")

# %% [markdown] tags=["slide"]
# ## Summary
#
# - An encoder turns a picture into a template, here 128 numbers of length 1; templates are compared by
#   cosine: same person high, strangers near zero.
# - An encoder is tested before it is used: what does it go by? This one knows people in grey, too.
# - Alignment comes first. The encoder forgives what it was trained with, and little beyond.
# - The mean of several templates is a better template, for the system and for the thief.
# - Traits have a direction that holds for everybody, and a part that is each face's own.
# - A blend of two templates is accepted for both people, every third or fourth time.

# %% [markdown]
# Next: [02 Verifying and identifying](02_verifying_and_identifying.ipynb)
#
# ## References
#
# - F. Schroff, D. Kalenichenko, J. Philbin: FaceNet: A Unified Embedding for Face Recognition and
#   Clustering. CVPR 2015.
# - S. Umeyama: Least-Squares Estimation of Transformation Parameters Between Two Point Patterns. IEEE
#   TPAMI 13(4), 1991.
# - M. Ferrara, A. Franco, D. Maltoni: The Magic Passport. IEEE IJCB 2014.
# - M. Nissim, R. van Noord, R. van der Goot: Fair is Better than Sensational: Man is to Doctor as Woman
#   is to Doctor. Computational Linguistics 46(2), 2020.
# - L. van der Maaten, G. Hinton: Visualizing Data using t-SNE. JMLR 9, 2008.
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5), 2019. arXiv 1703.00832.
# - ISO/IEC 24745: Biometric information protection. 2022.
