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
# # 08 Faces without people
#
# **The attack learns from pairs: a picture and its template. Where does somebody who owns few pictures
# of faces, or none that may be used, get a million of them?**

# %% [markdown]
# What you will learn
#
# - why the attacker needs faces at all, and that they need not be anybody's;
# - how a *generative adversarial network* (GAN) learns to draw faces from noise, by training one live;
# - how such a training fails, and which numbers notice it (and which one lies);
# - whether a generator remembers the people it was trained on, and how to test that;
# - what a generator is worth to the attack: SynthFaces, GAN faces and both, at equal numbers.
#
# | | |
# |---|---|
# | Time | 75 minutes, of which the computer takes two |
# | You need | chapters 02, 04 and 05 help: scores, the linear decoder, de-convolutions |
# | Exercises | 8.1 ★★ the two losses, 8.2 ★★ has it collapsed?, 8.3 ★★ a walk on the sphere, 8.4 ★★★ does it copy? |
#
# Stuck? `hint("8.1")`, then `hint("8.1", level=2)`.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from nbnet_lib.course import check, explore, hint, quiz, show, start  # hint("8.1") helps  # noqa: F401

course = start(profile, seed, device)

# %% [markdown] tags=["slide"]
# ## Why faces, and whose?
#
# The recogniser is a closed box: picture in, template out. To learn the way back, the attacker has to
# put pictures in. Noise will not do. The box was trained on faces; what it says of noise tells nothing
# about what it says of faces.
#
# But nobody asks *whose* faces. Any will do, if they are various enough: also faces of nobody.

# %% [markdown]
# Mai et al. trained a **face generator** first and drew from it as many faces as they liked. Their paper
# names real face sets, augmented with generated pictures; the training program they released reads
# pictures of the generator *only*. For the defender that is bad news: "we never publish pictures of our
# users" protects nobody, because the attack needs no picture of a user.
#
# So far this course drew its training faces by formulas (SynthFaces). That is a luxury: somebody
# programmed what a face is. A generator *learns* it, from examples. Ours learns from SynthFaces, so that
# no real person is in it at any point.
#
# Small pictures, 40 pixels, so that we can watch:

# %%
from nbnet_lib.faces import render_set, to_tensor

n_faces = course.pick(quick=60, laptop=6000)
faces = render_set(range(10_000, 10_000 + n_faces), samples=1, size=40)  # one picture a person
print(f"{len(faces):,} pictures of {n_faces:,} people, {faces.images.shape[1:]} each")

# %% [markdown] tags=["slide"]
# ## Two networks, one against the other
#
# ```text
# noise z, 100 numbers ---> GENERATOR ---> drawing --.
#                                                     >--> DISCRIMINATOR ---> "picture" or "drawing"?
#                             a training picture ----'
# ```
#
# - The **discriminator** D learns to tell pictures from drawings.
# - The **generator** G learns to draw what D takes for a picture. It never sees a picture; all it knows
#   of faces is what flows back through D.

# %% [markdown]
# You know G already. It is the D-CNN of chapter 05, fed with 100 random numbers in the template's place.
# D is the same network backwards. There is no batch norm in either, in the authors' code and here.

# %% tags=["nbval-check-output"]
from nbnet_lib.decoders import count_parameters, create_decoder

torch.manual_seed(7)
small_g = create_decoder("dcgan-generator", image_size=40, base_channels=64)
small_d = create_decoder("dcgan-discriminator", image_size=40, base_channels=64)
z = torch.randn(5, 100)  # five faces' worth of noise
drawing = small_g(z)
print("noise   ", list(z.shape), "-> drawings", list(drawing.shape))
print("drawings", list(drawing.shape), "-> verdicts", list(small_d(drawing).shape))
print(f"G {count_parameters(small_g):,} values, D {count_parameters(small_d):,}")

# %% [markdown]
# ## Losses with a doubt in them
#
# A verdict is a *logit*: above 0 means "picture". The loss is the cross entropy between the verdict and
# a label: 1 for a picture, 0 for a drawing. G uses the same loss with the label it would *like*.
#
# There is a catch. A discriminator that is perfectly sure has a slope of zero, and a generator that gets
# no slope learns nothing. The authors' code keeps D in doubt by **noisy labels**, drawn anew for every
# picture of every batch:
#
# | who learns | of what | label |
# |---|---|---|
# | D | training pictures | a number from U(0.7, 1.2) |
# | D | drawings | a number from U(0, 0.3) |
# | G | drawings | a number from U(0.7, 1.2) |
#
# ### Exercise 8.1 ★★ the two losses
#
# Return D's loss (on pictures plus on drawings) and G's loss (on drawings). `rng` is a numpy generator.
# The cross entropy of torch takes labels above 1 too.


# %%
def gan_losses(of_pictures, of_drawings, rng):
    """Return (loss of D, loss of G) from D's logits of pictures [N] and of drawings [N]."""

    ### BEGIN SOLUTION
    def against(logits, low, high):
        labels = torch.from_numpy(rng.uniform(low, high, len(logits))).float()
        return F.binary_cross_entropy_with_logits(logits, labels)

    judge = against(of_pictures, 0.7, 1.2) + against(of_drawings, 0.0, 0.3)
    return judge, against(of_drawings, 0.7, 1.2)
    ### END SOLUTION


check("8.1", gan_losses)

# %% [markdown]
# Why a doubt helps can be seen. The slope that reaches a logit is `sigmoid(logit) - label`:

# %%
logits = np.linspace(-6, 6, 200)
verdict = 1 / (1 + np.exp(-logits))
figure, axis = plt.subplots(figsize=(8.8, 2.9))
axis.plot(logits, verdict - 1, color="tab:gray", label="label 1: the slope dies out")
axis.fill_between(
    logits, verdict - 1.2, verdict - 0.7, alpha=0.3, label="labels from 0.7 to 1.2: never at rest"
)
axis.axhline(0, color="black", linewidth=0.6)
axis.set(xlabel="D's logit of a training picture", ylabel="slope", title="what D is told")
axis.legend()
show(
    figure,
    "Slope against the logit of a training picture. With label 1 it goes to zero for large logits. "
    "With labels from 0.7 to 1.2 it is a band that lies on both sides of zero for large logits, so "
    "that a too sure discriminator is pulled back.",
)

# %% [markdown] tags=["slide"]
# ## Live: faces out of noise
#
# Half a minute of training on two idle cores. The library's loop does, for each batch:
#
# 1. draw with G, judge pictures and drawings with D, improve D by its loss;
# 2. judge the drawings anew, improve G by its loss.
#
# **Before you look: what comes first, colours, shape or details?**

# %%
from nbnet_lib.attack.gan import GeneratorConfig, sample_faces, train_generator

snapshots = {}  # step -> uint8 [8, 40, 40, 3]: the same eight z each time


def look(generator, step):
    """Keep what the generator draws of eight fixed z."""
    snapshots[step] = sample_faces(generator, 8, seed=seed)


config = GeneratorConfig(
    steps=course.pick(quick=10, laptop=800, gpu=8000),
    base_channels=course.pick(quick=16, laptop=64, gpu=128),
    batch_size=course.pick(quick=16, laptop=32, gpu=64),
    lr_generator=6e-4,  # a hurry: the authors have 2e-4 and 5e-5, and 100 epochs
    lr_discriminator=1.5e-4,
    ema_decay=0.99,  # deliver the average of the last 100 or so generators: see below
    seed=seed,
    log_every=course.pick(quick=5, laptop=10),
    watch_every=course.pick(quick=5, laptop=100, gpu=1000),
)
on = "cpu" if course.device == "cpu" else "auto"
live = train_generator(faces.images, config, identities=faces.identities, watch=look, device=on)
print(f"{config.steps} updates in {live.history[-1]['seconds']:.0f} s")


# %% tags=["slide"]
def rows_of(sets, titles, caption=""):
    """Draw sets of pictures, uint8 [N, S, S, 3] each, as titled rows."""
    sheet = np.concatenate([np.concatenate(list(pictures), axis=1) for pictures in sets])
    height = 0.3 + 7.4 * sheet.shape[0] / sheet.shape[1]
    figure, axis = plt.subplots(figsize=(8.8, height), layout="none")
    figure.subplots_adjust(left=0.15, right=0.99, bottom=0.01, top=1 - 0.28 / height)
    axis.imshow(sheet)
    size = sets[0].shape[1]
    axis.set(xticks=[], yticks=size / 2 + size * np.arange(len(sets)), title=caption)
    axis.set_yticklabels(titles, fontsize="small")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


shown = list(snapshots)[:: max(1, len(snapshots) // 4)][:4] + list(snapshots)[-1:]
show(
    rows_of(
        [*(snapshots[step] for step in shown), faces.images[:8]],
        [*(f"step {step}" for step in shown), "pictures"],
    ),
    "Rows of eight drawings of the same noise after more and more updates: patterns of colour first, "
    "then a bright oval on a dark ground, then rough faces with eyes and hair. The last row shows "
    "training pictures.",
)

# %% [markdown]
# Averages first, then the oval, then eyes; details last, and coarse. It is the order in which D learns
# what to look for. No person is meant by any drawing; whether one was *remembered* is tested below.
#
# One line of the settings is ours, not the authors': `ema_decay`. G and D swing about each other, and a
# single moment of G carries the smears of that moment. The *average* of G's weights over the last updates
# does not. It costs nothing, and the generator that this course ships was trained with it.
#
# ## When is it good? Three curves and a warning
#
# In an ordinary training the loss tells. Here two losses fight, and **neither has to fall**: G's loss
# falls when G gets better *or* D gets worse. Read three other numbers instead:
#
# - how surely D takes *pictures* for pictures, and how surely *drawings*: both at 0.5 is a draw;
# - the **variety** of the drawings against that of the pictures: 0 means that G draws one face whatever
#   the noise is. This is *mode collapse*, the disease of GANs.
#
# ### Exercise 8.2 ★★ has it collapsed?
#
# Rows of `drawn` and `real` are small pictures as vectors. Return the mean distance of two different
# drawings, divided by the mean distance of two different pictures.


# %%
def variety(drawn, real):
    """Return how various drawings [N, d] are against pictures [M, d]: 1 is as various."""
    ### BEGIN SOLUTION
    return torch.pdist(drawn).mean() / torch.pdist(real).mean()
    ### END SOLUTION


variety_passed = check("8.2", variety)

# %% [markdown] tags=["slide"]
# ## Three ways to fail, on purpose
#
# The same two networks, half as wide, a few seconds each, and three pairs of learning rates. **Before you
# run it: which pair will draw one and the same picture, whatever the noise?**

# %%
rates = {  # learning rate of G, of D
    "D too fast": (4e-4, 3e-3),
    "G too fast": (1e-2, 1e-4),
    "a chase": (3e-3, 4e-4),
}
patients, albums = {}, {name: {} for name in rates}


def keep(album):
    """Return a function that keeps eight drawings in ``album`` at each look."""

    def look_on(generator, step):
        album[step] = sample_faces(generator, 8, seed=seed)

    return look_on


for name, (lr_g, lr_d) in rates.items():
    settings = GeneratorConfig(
        steps=course.pick(quick=4, laptop=120, gpu=400),
        base_channels=course.pick(quick=8, laptop=32),
        batch_size=course.pick(quick=8, laptop=32),
        lr_generator=lr_g,
        lr_discriminator=lr_d,
        seed=seed,
        log_every=course.pick(quick=2, laptop=5),
        watch_every=course.pick(quick=2, laptop=30),
    )
    patients[name] = train_generator(
        faces.images,
        settings,
        identities=faces.identities,
        watch=keep(albums[name]),
        device=on,
        progress=False,
    )

# %% tags=["subslide"]
chase = list(albums["a chase"].items())[-4:]
show(
    rows_of(
        [
            list(albums["D too fast"].values())[-1],
            list(albums["G too fast"].values())[-1],
            *(drawings for _, drawings in chase),
        ],
        ["D too fast", "G too fast", *(f"a chase, {step}" for step, _ in chase)],
    ),
    "Eight drawings each: with the discriminator too fast one grey field, with the generator too fast "
    "loud coloured noise, and four moments of a chase in which all drawings change their colours and "
    "shapes from one moment to the next.",
)

# %% tags=["subslide"]
figure, axes = plt.subplots(1, 4, figsize=(8.8, 2.9), sharey=True)
for axis, (name, patient) in zip(axes, {**patients, "live, above": live}.items(), strict=True):
    steps = [entry["step"] for entry in patient.history]
    for key, label, style in (
        ("real", "pictures taken for pictures", "tab:blue"),
        ("fake", "drawings taken for pictures", "tab:orange"),
        ("variety", "variety", "black"),
    ):
        axis.plot(steps, [entry[key] for entry in patient.history], style, label=label)
    axis.set(title=name, xlabel="update", ylim=(0, 2))
axes[0].legend(fontsize="x-small", loc="upper left")
show(
    figure,
    "Four panels against the update. D too fast: pictures are taken for pictures with certainty near "
    "0.95, and variety is at zero. G too fast: both certainties lie at 0.5 and variety is high. A chase: "
    "all three swing. The live training: both certainties near 0.5 to 0.6, variety settles near 1.",
)

# %% [markdown]
# - **D wins.** It tells pictures from everything else by a trait that G cannot reach in time. Its verdict
#   does not depend on what is drawn any more, so no slope comes back, and G stops at one grey field: a
#   *collapse*.
# - **G runs away.** Its steps are so large that every pixel ends at black, white or a pure colour. D learns
#   too slowly to object. Both certainties stand at 0.5, which looks like a perfect draw and is nothing of
#   the kind.
# - **They chase each other** (*oscillation*). G finds colours that fool today's D; D learns *those*; G jumps
#   to others. Round and round: the curves keep moving, and nothing is learnt that stays.
#
# And one number lies: look at the variety of the runaway. Its noise differs about as much as faces do. A
# measure of collapse says nothing about *faces*. Look at the pictures as well, always.
#
# If your own `variety` passed, it measures them now, on 64 fresh drawings each:


# %%
from nbnet_lib.attack import gan_faces


def shrink(images):
    """Return pictures, uint8 [N, 40, 40, 3], as vectors of 8 x 8 pixels: float32 [N, 192]."""
    return F.adaptive_avg_pool2d(to_tensor(images), 8).flatten(1)


some = faces.images[:64]
for name, patient in {**patients, "live, above": live}.items():
    drawings = sample_faces(patient, 64, seed=9)
    found = gan_faces.variety(drawings, some)  # the library shrinks the pictures by itself
    if variety_passed:
        found = variety(shrink(drawings), shrink(some))
    print(f"{name:12s} variety {float(found):.2f}")

# %% [markdown] tags=["slide"]
# ## A longer training, shipped
#
# A minute gives ghosts. The course ships a generator that was trained for longer, by the very same
# command-line tool. Its card says how:

# %%
from nbnet_lib.decoders import load_decoder

generator = load_decoder("dcgan-40")
card = generator.card
print(card["data"])
print(card["command"])
print(
    f"{card['metrics']['step']:,} updates of {card['config']['batch_size']} pictures in "
    f"{card['training_seconds'] / 60:.0f} minutes; variety {card['metrics']['variety']:.2f}"
)

# %% tags=["subslide"]
strangers = sample_faces(generator, 36, seed=seed)
show(
    rows_of(
        [strangers[:12], strangers[12:24], strangers[24:], faces.images[:12]],
        ["drawn", "drawn", "drawn", "pictures"],
        "36 faces that nobody has, and 12 training pictures",
    ),
    "Three rows of twelve faces drawn by the shipped generator: men and women of several skin "
    "colours, hair styles and expressions, softer than the training pictures in the last row, some "
    "with smears.",
)

# %% [markdown]
# Judge for yourself which are good. They are softer than the pictures, long hair runs into the ground, and
# hardly anybody wears glasses: the rare things are missing first. (The authors' network is four times as
# wide, draws 160 pixels and was trained for 100 epochs.)

# %% [markdown]
# ## A map without borders
#
# Between any two z there are others, and each is a face. Go from one to the other:
#
# - the **straight line** `(1 - t) a + t b` is the obvious way;
# - the **arc** on the sphere keeps the length: *spherical interpolation*, slerp.
#
# The length of a z of 100 random numbers is nearly always near 10 (the root of 100). **How long is the
# vector half way along the straight line between two of them?**

# %%
lengths = np.linalg.norm(course.rng(1).standard_normal((5000, 100)), axis=1)
a, b = course.rng(2).standard_normal((2, 100))
middle = np.linalg.norm((a + b) / 2)
figure, axis = plt.subplots(figsize=(8.8, 2.6))
axis.hist(lengths, bins=60, color="tab:blue", alpha=0.6, label="length of 5,000 z")
axis.axvline(middle, color="tab:red", label="half way along a straight line")
axis.set(xlabel="length", ylabel="how many", xlim=(5, 14))
axis.legend()
show(
    figure,
    "Histogram of the lengths of random vectors with 100 entries: all lie between about 8 and 12. A "
    "red line near 7 marks the point half way between two of them, where no random vector lies.",
)

# %% [markdown]
# The generator never met a vector that short. In 100 dimensions the middle of the cloud is *empty*.
#
# ### Exercise 8.3 ★★ a walk on the sphere
#
# Return the vector at share `t` of the way along the arc from `a` to `b`. Both have the same length or
# nearly; the result for equal lengths keeps it. With w the angle between `a` and `b`:
#
# ```text
# slerp(t) = ( sin((1 - t) w) a + sin(t w) b ) / sin(w)
# ```
#
# Mind the case that both point the same way: sin(0) is 0.


# %%
def slerp(a, b, t):
    """Return the vector [d] at share t along the arc from a [d] to b [d]."""
    ### BEGIN SOLUTION
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if angle < 1e-6:
        return (1 - t) * a + t * b
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
    ### END SOLUTION


walk_passed = check("8.3", slerp)


# %%
def draw(z):
    """Return the faces of z, float [N, 100], as uint8 [N, 40, 40, 3]."""
    with torch.inference_mode():
        images = generator(torch.from_numpy(np.asarray(z, np.float32)))
    return ((images.permute(0, 2, 3, 1).numpy() + 1) * 127.5).clip(0, 255).astype(np.uint8)


arc = slerp if walk_passed else gan_faces.slerp  # the chapter goes on with the library's
t = np.linspace(0, 1, 11)
show(
    rows_of(
        [draw([(1 - s) * a + s * b for s in t]), draw([np.asarray(arc(a, b, s)) for s in t])],
        ["straight", "arc"],
    ),
    "Two rows of eleven faces from one face to another, without a jump. The rows are much alike; along "
    "the straight line the faces in the middle are a little paler, along the arc they keep contrast.",
)

# %% [markdown]
# Look closely: half way along the straight line there is a little less contrast. (The next figure shows it
# better: the same direction at length 10.) Both ways are smooth: no jump, no place where one face is
# switched off and the other on. That is a first sign that G did not simply store its training pictures. It
# is no proof; the test comes below.
#
# ### Walk yourself
#
# Three faces are the corners; you stand between them. `surprise` adds a random direction.


# %%
corners = course.rng(3).standard_normal((3, 100))
elsewhere = course.rng(4).standard_normal(100)


def stand(right=0.3, down=0.2, surprise=0.0):
    """A face between three others, with its length of z, beside the three corners."""
    z = corners[0] + right * (corners[1] - corners[0]) + down * (corners[2] - corners[0])
    z = z + surprise * elsewhere
    on_sphere = z / np.linalg.norm(z) * 10
    pictures = draw([*corners, z, on_sphere])
    names = [
        "corner",
        "right",
        "down",
        f"here: length {np.linalg.norm(z):.1f}",
        "the same at length 10",
    ]
    figure, axes = plt.subplots(1, 5, figsize=(8.8, 2.1))
    for axis, picture, name in zip(axes, pictures, names, strict=True):
        axis.imshow(picture)
        axis.set_title(name, fontsize="small")
        axis.axis("off")
    return figure


explore(stand, right=(0.0, 1.0, 0.05), down=(0.0, 1.0, 0.05), surprise=(-2.0, 2.0, 0.1))

# %% [markdown]
# **Find out:** is there a `surprise` that turns the face, or ages it? The axes of z have no names.
# Nobody told G what pose or age is; where a direction means something, it found that out by itself.

# %% [markdown] tags=["slide"]
# ## Whose faces are they, really?
#
# "These people do not exist" is what such pictures are sold with. But G was trained on people who did
# consent or did not. If it *copies* them, its drawings are their pictures, with all duties that follow.
#
# Looking at the nearest training picture is not enough: something is always nearest. **Nearest compared
# with what?** With pictures of the same kind that G never saw.

# %%
n_each = course.pick(quick=30, laptop=1000, gpu=6000)
trained_on = faces.images[:n_each]  # all of them among the shipped generator's training pictures
never_seen = render_set(range(24_000, 24_000 + n_each), samples=1, size=40).images
drawn = sample_faces(generator, course.pick(quick=20, laptop=400, gpu=2000), seed=11)
print(
    f"{len(drawn)} drawings, {len(trained_on):,} pictures of the training, {len(never_seen):,} others"
)

# %% [markdown]
# ### Exercise 8.4 ★★★ does it copy?
#
# For each drawing find the nearest training picture and the nearest held-out picture. Return the share
# of drawings for which the training picture is the nearer one. Equal numbers on both sides, so 0.5 is
# what a generator without any memory of single pictures gives.


# %%
def share_nearer(drawn, training, held_out):
    """Return the share of rows of drawn [N, d] that are nearer to training [M, d] than held_out."""
    ### BEGIN SOLUTION
    to_training = torch.cdist(drawn, training).min(dim=1).values
    to_held_out = torch.cdist(drawn, held_out).min(dim=1).values
    return (to_training < to_held_out).float().mean()
    ### END SOLUTION


copy_passed = check("8.4", share_nearer)

# %% [markdown]
# Two ways of measuring distance: by **pixels**, and by **template**. The second asks the recogniser:
# whose *face* is it, whatever pose and light? And two controls, because a test that never raises an
# alarm is worth nothing: a copier that hands out training pictures with a little noise, and the held-out
# pictures of yet other people, which know nothing of the training. (The recogniser of this chapter is
# `synth-colour`, the colour matcher of chapter 03.)

# %%
from nbnet_lib.encoders import create_encoder
from nbnet_lib.evaluate.binomial import exact_interval

encoder = create_encoder("synth-colour", device=course.device)


share = share_nearer if copy_passed else gan_faces.share_nearer
noise = course.rng(5).normal(0, 20, (len(drawn), 40, 40, 3))
who = {
    "the generator": drawn,
    "a copier": (trained_on[: len(drawn)] + noise).clip(0, 255).astype(np.uint8),
    "other people": render_set(range(30_000, 30_000 + len(drawn)), samples=1, size=40).images,
}
ways = {
    "pixels": lambda images: to_tensor(images).flatten(1),  # [N, 4800]
    "template": lambda images: encoder.embed(images),  # [N, 128]
}
shares = {}
for way, describe in ways.items():
    training, held_out = describe(trained_on), describe(never_seen)
    for name, images in who.items():
        found = float(share(describe(images), training, held_out))
        low, high = exact_interval(round(found * len(images)), len(images))
        shares[way, name] = found, low, high
        print(f"{way:9s} {name:14s} nearer to the training: {found:6.1%}  [{low:.1%}, {high:.1%}]")

# %% tags=["subslide"]
figure, axis = plt.subplots(figsize=(8.8, 2.7))
for i, ((way, _), (found, low, high)) in enumerate(shares.items()):
    colour = "tab:blue" if way == "pixels" else "tab:orange"
    axis.errorbar(found, -i, xerr=[[found - low], [high - found]], fmt="o", color=colour, capsize=3)
axis.axvline(0.5, color="black", linewidth=0.7, linestyle=":")
axis.set(
    yticks=-np.arange(len(shares)), xlim=(0.3, 1.02), xlabel="share nearer to a training picture"
)
axis.set_yticklabels([f"{name}, by {way}" for way, name in shares])
show(
    figure,
    "Share of pictures that are nearer to a training picture than to a held-out one, with 95 % "
    "intervals, by pixels and by template: the copier is at 100 %, the generator and the other "
    "people lie near the dotted line of 50 %.",
)

# %% [markdown]
# Now the subtle part. The dotted line is not quite the right thing to compare with: the two sets of
# reference pictures are samples, and one may happen to lie more in the middle than the other. The *other
# people* show by how much, since they cannot remember anything. So read: does *the generator* lie further
# right than *other people*, by more than both intervals allow? And how far from *a copier*?
#
# If the intervals overlap, this test finds no copying. It does not say that there is none: it looks at the
# nearest pictures of some hundred drawings; a few copies among thousands would hide. Larger networks trained
# for long do remember single pictures (Carlini et al. drew training photographs out of diffusion models).
# The card of the shipped generator has the same test with 1,000 drawings:

# %%
for name, found in card["memory"].items():
    low, high = found["ci95"]
    print(f"{name:24s} nearer to the training: {found['share']:.1%}  [{low:.1%}, {high:.1%}]")

# %% [markdown]
# Look at the nearest ones, with your own eyes:

# %%
by_template = torch.cdist(encoder.embed(drawn[:10]), encoder.embed(trained_on))
nearest = trained_on[by_template.argmin(dim=1).numpy()]
by_pixels = torch.cdist(to_tensor(drawn[:10]).flatten(1), to_tensor(trained_on).flatten(1))
show(
    rows_of(
        [drawn[:10], trained_on[by_pixels.argmin(dim=1).numpy()], nearest],
        ["drawn", "nearest by pixels", "by template"],
    ),
    "Ten drawn faces and below each the nearest training picture by pixels and by template: alike in "
    "colours and light, or in face shape, but plainly other people.",
)

# %% [markdown] tags=["slide"]
# ## What is a generator worth to the attack?
#
# The decoder here is the **linear** one of chapter 04: it is fitted in seconds, so that we can compare
# *data*, all else equal. The attacker asks the closed box for the template of every picture, fits, and
# decodes the victims' templates.
#
# **Before you run it, put these in order:** pairs from SynthFaces; as many from the generator; half and
# half; all SynthFaces that the generator was trained on; as many of its drawings.

# %%
from nbnet_lib.decoders import fit_decoder

n_pairs = course.pick(quick=30, laptop=2000)
strangers = sample_faces(generator, len(faces), seed=12)
half = n_pairs // 2
sources = {
    "SynthFaces": faces.images[:n_pairs],
    "GAN": strangers[:n_pairs],
    "half and half": np.concatenate([faces.images[:half], strangers[:half]]),
    "SynthFaces, all": faces.images,
    "GAN, as many": strangers,
}
decoders = {}
for name, images in sources.items():
    decoder = create_decoder("linear", 128, 40, components=course.pick(quick=16, laptop=128))
    order = course.rng(6).permutation(len(images))  # folds must not tell the sources apart
    templates = encoder.embed(images)[order]
    told = fit_decoder(decoder, images[order], templates, None, seed=seed, progress=False)
    decoders[name] = decoder
    print(
        f"{name:15s} {len(images):5,} pairs: {told['predicted_variance']:.0%} of the variance of its "
        "own pictures predicted"
    )

# %% [markdown]
# Careful with that last column: each source is measured on *its own* kind of pictures there. What counts
# are victims. 64-pixel pictures of people whom nobody trained on; thresholds from original impostor
# comparisons; type-I and type-II as in chapter 02, intervals by the bootstrap over people.

# %%
from nbnet_lib import evaluate
from nbnet_lib.attack import reconstruct

n_victims, n_samples = course.pick(quick=(20, 4), laptop=(120, 6), gpu=(300, 6))
victims = render_set(range(n_victims), samples=n_samples)  # 64 px
leaked = encoder.embed(victims.images)  # [N, 128]
stolen = {name: reconstruct(decoder, leaked) for name, decoder in decoders.items()}
results = {}
for name, pictures in stolen.items():
    results[name] = evaluate.evaluate_attack(
        leaked,
        victims.identities,
        encoder.embed(pictures),
        fars=(0.01, 0.001),
        decoder=name,
        resamples=course.pick(quick=50, laptop=400),
    )
for far in (0.01, 0.001):
    print(f"TAR at FAR {far:.1%} [95 % interval over {n_victims} people]")
    for name, result in results.items():
        rates = result.rates[far]
        print(f"  {name:15s} type-I {rates['type1']!s:24s} type-II {rates['type2']}")
    print(f"  honest users, another picture: {rates['original']}")

# %% tags=["subslide"]
figure, axes = plt.subplots(1, 2, figsize=(8.8, 2.9), sharey=True)
for axis, kind, title in zip(axes, ("type1", "type2"), ("type-I", "type-II"), strict=True):
    for i, result in enumerate(results.values()):
        for shift, far, colour in ((0.12, 0.01, "tab:blue"), (-0.12, 0.001, "tab:red")):
            rate = result.rates[far][kind]
            low, high = rate.ci95
            axis.plot([low, high], [shift - i] * 2, color=colour, linewidth=2)
            label = f"FAR {far:.1%}" if i == 0 else None
            axis.plot(rate.tar, shift - i, "o", color=colour, label=label)
    axis.set(title=title, xlabel="share accepted", xlim=(0, 1.02), yticks=-np.arange(len(results)))
axes[0].set_yticklabels(list(results))
axes[0].legend(fontsize="small", loc="lower left")
show(
    figure,
    "Type-I and type-II acceptance with intervals for decoders fitted on SynthFaces, on as many GAN "
    "faces, on half of each, on all 6,000 SynthFaces and on 6,000 GAN faces, at FAR 1 % and 0.1 %.",
)

# %% tags=["subslide"]
at = range(0, 10 * n_samples, n_samples)  # ten people, one picture each
small_victims = torch.nn.functional.interpolate(
    to_tensor(victims.images[list(at)]), 40, mode="area"
)
as_bytes = lambda x: ((x.permute(0, 2, 3, 1).numpy() + 1) * 127.5).clip(0, 255).astype(np.uint8)  # noqa: E731
show(
    rows_of(
        [as_bytes(small_victims), *(as_bytes(pictures[list(at)]) for pictures in stolen.values())],
        ["victim", *stolen],
    ),
    "Ten victims in the first row and below what the five decoders draw from their templates: blurred "
    "faces with the right skin and hair; those from GAN pairs have harder contrasts.",
)

# %% [markdown]
# Compare with your order, and mind the intervals: where two overlap widely, this experiment does not
# order them. What may be read off:
#
# - **Faces of nobody open the gate.** The decoder that never saw anything but drawings of a generator gets
#   far above the FAR that the owner believes in, with not one picture of a person.
# - **At equal numbers a drawing is worth less than a picture.** The generator draws the middle of the crowd
#   well and its edges badly: few glasses, few strange haircuts. The decoder cannot learn what is not there.
#   Half and half loses nothing that this experiment can see.
# - **But there is no end to drawings.** Three times as many close much of the gap. Can a generator teach more
#   than its training pictures held? About *faces*, no. About *the box*, yes: every drawing is a fresh
#   question to the recogniser, and its answer is true.
# - **More pictures do not always help a straight line.** Three times as many SynthFaces change little: 128
#   numbers in, a plane out, and the plane was found already. Chapter 09's network has more use for them.
#
# ### The prettier generator is the worse teacher
#
# One more surprise, from the making of this chapter. After 1,500 updates the shipped generator drew smears
# and odd colours, after 4,145 fine soft faces. The same comparison, 2,000 pairs each, is in its card:

# %%
for name, found in card["linear_attack"].items():
    print(f"{name:38s} type-I {found['type1']:.1%}   type-II {found['type2']:.1%}   (FAR 0.1 %)")

# %% [markdown]
# Ugly and various taught the decoder more than pretty and tame. What is good for the eye is not what is good
# for training; judge a source of data by what it is for. (One training, one seed: a hint, not a law.)
#
# What all this does *not* say: our generator is small, its source is simpler than photographs, and it saw
# 6,000 pictures; the first row was fitted on 2,000 of them.
#
# ## From the notebook to the long run
#
# ```sh
# nbnet generator train --data synthfaces:10000-29999x1 --ema 0.999 --out runs/generator
# nbnet generator sample --weights runs/generator/generator.safetensors --count 64 --out faces.png
# nbnet train --data generator:runs/generator/generator.safetensors:50000 --out runs/gan-only
# nbnet train --data synthfaces:20000-20999x5 --data generator:runs/generator/generator.safetensors:5000 --out runs/mixed
# ```
#
# ## What can go wrong
#
# - **A loss as a quality.** Neither of the two losses of a GAN measures the pictures.
# - **One number for collapse.** Variety is blind to loud patterns; certainty at 0.5 is blind to a runaway.
#   Use several, and eyes.
# - **"These people do not exist."** Nearest to *what*? Without held-out pictures the sentence cannot be
#   tested, and with them it is a statement about the test, with an interval.
# - **Generated faces as evaluation data.** They serve for training the attack. Victims, thresholds and
#   rates come from pictures that no network drew.
# - **Unequal comparisons.** More GAN pairs than real ones, more training, another decoder: change one
#   thing at a time, and say what the generator itself had seen.
#
# ## For those who defend
#
# - **Keeping pictures secret does not stop the attack.** It needs the box and any faces. What stops it is
#   the box: authenticated, counted, and with scores and templates kept inside (chapter 10 says more).
# - **Many odd faces are a signal.** Queries of a generator are queries of thousands of people whom nobody
#   enrolled, once each. Rate limits and alarms on strangers see them.
# - **If you publish a generator, test it for memory** with both distances and a positive control, before
#   the weights are out. Weights cannot be called back.
# - **Synthetic data is a gift for you, too.** You can measure your own system with it, as here, without
#   asking anybody for a photograph.
#
# ## Stretch
#
# - ★★ **The authors' rates.** Train the live generator with 2e-4 and 5e-5 for as long. It worked when you
#   can say, from curves and pictures, what the hurry of this chapter cost or gained.
# - ★★★ **Make it copy.** Train on 40 pictures for 2,000 updates. It worked when the share of exercise 8.4
#   leaves 50 % with its whole interval.
# - ★★★ **Steer.** Draw 3,000 faces, ask the template for "glasses" or yaw with a probe (chapter 03), and
#   regress z on it. It worked when adding the direction to new z changes that one thing.
# - ★★★★ **How many are enough?** Fit the linear decoder on 500 to 32,000 GAN pairs. It worked when your
#   curve with intervals shows where more drawings stop to help.
#
# ## Quiz

# %%
quiz("08")

# %% [markdown] tags=["slide"]
# ## Summary
#
# - The attack needs faces, not people: a generator draws as many as wanted.
# - A GAN is a fight of two networks. Noisy labels keep it going; unequal rates end it, in grey or in noise.
# - Neither loss tells quality. Certainties, variety and eyes together do.
# - Whether a generator copies is a question with a control: nearer to the training than to held-out ones?
# - At equal numbers drawings are worth less than pictures, but each is a new question to the box, and there
#   is no end to them. Pretty is not the same as useful.

# %% [markdown]
# Next: [09 Training NbNet in full](09_training_nbnet_in_full.ipynb).
#
# ## References
#
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5):1188-1202, 2019. DOI 10.1109/TPAMI.2018.2827389, arXiv 1703.00832. And the
#   authors' released program (csgcmai/NBNet on GitHub), which we read and did not copy.
# - I. Goodfellow et al.: Generative Adversarial Nets. NIPS 2014, arXiv 1406.2661.
# - A. Radford, L. Metz, S. Chintala: Unsupervised Representation Learning with Deep Convolutional
#   Generative Adversarial Networks. ICLR 2016, arXiv 1511.06434.
# - T. Salimans et al.: Improved Techniques for Training GANs. NIPS 2016, arXiv 1606.03498 (soft labels).
# - T. White: Sampling Generative Networks. arXiv 1609.04468, 2016 (slerp).
# - N. Carlini et al.: Extracting Training Data from Diffusion Models. USENIX Security 2023,
#   arXiv 2301.13188.
