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
# # 09 Training NbNet in full
#
# **The algorithm of the paper fits into five lines. Why does a real run still fail so often, and how do
# you notice, stop, go on, and know when it is enough?**

# %% [markdown]
# What you will learn
#
# - the whole training loop, written by you;
# - the paper's learning-rate schedule, and what others do with few updates;
# - what a checkpoint must hold so that a run goes on *to the bit*;
# - reading curves: six patients, six illnesses;
# - what a training costs, from a laptop to several GPUs; and a real one, about eight minutes, live.
#
# | | |
# |---|---|
# | Time | 70 minutes, of which the computer takes ten (you may skip nine of them) |
# | You need | chapters 02, 06 and 07 help: thresholds, NbNet, losses |
# | Exercises | 9.1 ★★ one training step, 9.2 ★ the schedule, 9.3 ★★★ what a checkpoint holds, 9.4 ★★ the ward |
#
# Stuck? `hint("9.1")`, then `hint("9.1", level=2)`.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import copy
import os
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from nbnet_lib.course import check, explore, hint, quiz, show, start  # hint("9.1") helps  # noqa: F401

course = start(profile, seed, device)

# %% [markdown] tags=["slide"]
# ## The algorithm
#
# ```text
# repeat:
#     draw noise z and make a face of it                 (chapter 08: generator; here: SynthFaces)
#     ask the recogniser for the face's template         (the only contact with the closed box)
#     decode the template
#     measure how far the drawing is from the face       (chapter 07: the loss)
#     move the decoder's weights a little against it
# ```

# %% [markdown]
# Faces and templates do not change while the decoder learns. So they are made once, before the loop.
# Some *people* are set aside: what the decoder draws of people that it never met is the only thing that
# counts (chapter 03 showed how well a network remembers whom it knows).
#
# For the experiments of this chapter everything is small: 40 pixels, an NbNet-B a quarter as wide. The
# closed box is `synth-colour`, the colour matcher of chapter 03.

# %%
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render_set, to_tensor

encoder = create_encoder("synth-colour", device=course.device)  # the closed box
pairs = render_set(range(10_000, 10_000 + course.pick(quick=20, laptop=200)), samples=4)
all_templates = encoder.embed(pairs.images)  # [N, 64, 64, 3] -> [N, 128]
all_images = F.interpolate(to_tensor(pairs.images), 40, mode="area")  # [N, 3, 40, 40]

people = np.unique(pairs.identities)
aside = np.isin(pairs.identities, people[-len(people) // 10 :])  # whole people, not pictures
templates, images = all_templates[~aside], all_images[~aside]
hold_templates, hold_images = all_templates[aside], all_images[aside]
print(f"{len(images)} pairs to learn from, {len(hold_images)} pairs of other people set aside")

# %% [markdown]
# ### Exercise 9.1 ★★ one training step
#
# Decode a batch, take the pixel loss (the mean of all absolute differences), and let the optimiser
# improve the decoder once. Return the loss as a float.


# %%
def training_step(decoder, templates, images, optimizer):
    """Improve the decoder by one step of the pixel loss and return the loss (a float)."""
    ### BEGIN SOLUTION
    loss = (decoder(templates) - images).abs().mean()
    optimizer.zero_grad()  # forget the gradients of the step before
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


step_passed = check("9.1", training_step)

# %% [markdown]
# The loop around it. A run is three things that change: the decoder, the optimiser, and the generator of
# random numbers that draws the batches. If your step passed, the loop below runs with *it*.

# %%
from nbnet_lib.course.runs import pack_run, pixel_step  # the course's own
from nbnet_lib.decoders import create_decoder

one_step = training_step if step_passed else pixel_step


def new_run(lr=1e-2):
    """Return a fresh (decoder, optimizer, generator), the same each time."""
    torch.manual_seed(seed)
    decoder = create_decoder("nbnet-b", template_dim=128, image_size=40, base_channels=64)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=lr, betas=(0.5, 0.999))
    return decoder, optimizer, torch.Generator().manual_seed(seed)


def train(run, steps, templates=templates, images=images, batch=16):
    """Make some updates and return their losses."""
    decoder, optimizer, generator = run
    decoder.train()
    losses = []
    for _ in range(steps):
        rows = torch.randint(len(images), (batch,), generator=generator)
        losses.append(one_step(decoder, templates[rows], images[rows], optimizer))
    return losses


first = new_run()
began = time.perf_counter()
losses = train(first, course.pick(quick=4, laptop=60))
print(f"{len(losses)} updates in {time.perf_counter() - began:.1f} s")
print(f"loss {losses[0]:.3f} -> {np.mean(losses[-5:]):.3f}")

# %%
first[0].eval()
with torch.inference_mode():
    drawn = first[0](hold_templates[:32:4])


def rows_of(sets, titles):
    """Draw sets of pictures, float32 [N, 3, S, S] in [-1, 1] each, as titled rows."""
    strips = [torch.cat(list(F.interpolate(x, 64)), dim=2) for x in sets]
    sheet = ((torch.cat(strips, dim=1).permute(1, 2, 0).numpy() + 1) / 2).clip(0, 1)
    height = 0.1 + 7.4 * sheet.shape[0] / sheet.shape[1]
    figure, axis = plt.subplots(figsize=(8.8, height), layout="none")
    figure.subplots_adjust(left=0.15, right=0.99, bottom=0.01, top=0.99)
    axis.imshow(sheet)
    axis.set(xticks=[], yticks=32 + 64 * np.arange(len(sets)))
    axis.set_yticklabels(titles, fontsize="small")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


show(
    rows_of([hold_images[:32:4], drawn], ["set aside", "decoded"]),
    "People set aside in the first row, and below what the small network draws of their templates "
    "after seconds of training: blurred ovals, lighter and darker.",
)

# %% [markdown] tags=["slide"]
# ## The rate of learning
#
# Large steps travel fast and cannot settle; small steps settle and never arrive. So the rate falls while
# one trains. The released program multiplies it by 0.94 after every 5,000 updates, from 2e-4, for at most
# 400,000 updates of 64 pictures.
#
# ### Exercise 9.2 ★ the schedule
#
# Updates are counted from 0: the first 5,000 run at the full rate.


# %%
def learning_rate(update):
    """Return the paper's learning rate of an update (0, 1, 2...)."""
    ### BEGIN SOLUTION
    return 2e-4 * 0.94 ** (update // 5000)
    ### END SOLUTION


check("9.2", learning_rate)

# %% [markdown]
# That is a schedule for days. With 900 updates it would never fall at all. Who has minutes takes another:
# up quickly, then down in half a wave of a cosine (*one cycle*). **Move the sliders:** for which number of
# updates are the stairs of the paper hardly different from a constant rate?

# %%
from nbnet_lib.attack import TrainConfig
from nbnet_lib.attack import learning_rate as library_rate


def schedules(thousand_updates=100, all_four=True):
    """Learning rates over a training: the paper's stairs, a constant, a cosine, and one cycle."""
    updates = thousand_updates * 1000
    names = ["paper", "constant", "cosine", "onecycle"] if all_four else ["paper"]
    figure, axis = plt.subplots(figsize=(8.8, 3))
    at = np.linspace(0, updates - 1, 400).astype(int)
    for name in names:
        config = TrainConfig(steps=updates, lr=2e-4, schedule=name)
        axis.plot(at, [library_rate(config, int(u)) for u in at], label=name)
    axis.set(xlabel="update", ylabel="learning rate", ylim=(0, 2.2e-4))
    axis.legend()
    return figure


explore(schedules, thousand_updates=(1, 400), all_four=True)

# %% tags=["nbval-check-output"]
for update in (0, 5_000, 50_000, 100_000, 399_999):
    rate = library_rate(TrainConfig(), update)
    print(f"update {update:7,}: {rate:.2e}, {rate / 2e-4:.1%} of the first")

# %% [markdown] tags=["slide"]
# ## Stop, and go on as if nothing had happened
#
# Long runs get interrupted: a lid is closed, a queue's time is up, a cluster wants its node back. A
# *checkpoint* is a file from which the run goes on.
#
# **Think before you read on:** the weights are saved. What else does the next update depend on?

# %% [markdown]
# ### Exercise 9.3 ★★★ what a checkpoint holds
#
# Return a dict with the keys `"decoder"`, `"optimizer"`, `"generator"` and `"step"`, from which `restore`
# below makes the run whole again. Careful: the run goes on after it was packed, and what lies in the dict
# must not change with it.


# %%
def restore(state, decoder, optimizer, generator):
    """Bring a fresh run to where another was packed; return its step."""
    decoder.load_state_dict(state["decoder"])
    optimizer.load_state_dict(state["optimizer"])
    generator.set_state(state["generator"])
    return state["step"]


def pack(decoder, optimizer, generator, step):
    """Return all that a run needs to go on: a dict that later training does not touch."""
    ### BEGIN SOLUTION
    return copy.deepcopy(
        {
            "decoder": decoder.state_dict(),
            "optimizer": optimizer.state_dict(),
            "generator": generator.get_state(),
            "step": step,
        }
    )
    ### END SOLUTION


pack_passed = check("9.3", pack)

# %% [markdown]
# Is "nearly everything" good enough? The run from above, three ways: without a break; packed, restored and
# continued; and continued with the *weights alone*, as so many programs do.


# %%
state = (pack if pack_passed else pack_run)(*first, len(losses))
more = course.pick(quick=3, laptop=40)
without_break = train(first, more)

whole = new_run()
restore(state, *whole)
resumed = train(whole, more)

weights_only = new_run()
weights_only[0].load_state_dict(state["decoder"])
weights_only[2].set_state(state["generator"])  # even with the right batches
forgetful = train(weights_only, more)
print(
    f"largest difference of a loss, whole checkpoint: {max(abs(np.subtract(resumed, without_break)))}"
)
print(f"largest difference, weights alone: {max(abs(np.subtract(forgetful, without_break))):.4f}")

# %% tags=["slide"]
figure, axes = plt.subplots(1, 2, figsize=(8.8, 2.9))
at = np.arange(len(losses), len(losses) + more)
axes[0].plot(np.arange(len(losses)), losses, color="tab:gray")
axes[0].plot(at, without_break, color="black", label="without a break")
axes[0].axvline(len(losses) - 0.5, color="black", linewidth=0.7, linestyle=":")
axes[0].set(xlabel="update", ylabel="loss of the batch", title="the run")
axes[1].plot(at, np.subtract(forgetful, without_break), color="tab:red", label="weights alone")
axes[1].plot(at, np.subtract(resumed, without_break), color="tab:blue", label="whole checkpoint")
axes[1].set(
    xlabel="update", ylabel="loss, minus that of the run", title="the scar of a lost memory"
)
axes[1].legend()
show(
    figure,
    "Left: the loss of the run with a dotted line at the break. Right: difference of the resumed runs "
    "from it. The whole checkpoint gives a line at exactly zero; the weights alone give a bump in the "
    "first updates, and then differences that never end.",
)

# %% [markdown]
# Adam keeps two running means for each weight: of the gradient, and of its square. They set the size of
# every step. A fresh Adam begins with steps of the full size for *every* weight, also for those that hardly
# moved any more: that is the bump. It heals, so nobody notices, and from there on it is another run.
#
# The library's own training does the same with files: whole or absent, never half written, and it draws
# batches and rates as *functions of the step*, so that there is less to remember. Stop a run and go on:

# %%
from nbnet_lib.attack import train_decoder
from nbnet_lib.faces import to_uint8

small = to_uint8(images)  # uint8 [N, 40, 40, 3]
owners = pairs.identities[~aside]


def library_run(steps, folder=None, resume=False):
    """Train a small NbNet-B with the library's loop and return its weights."""
    decoder = new_run()[0]
    config = TrainConfig(steps=steps, batch_size=16, lr=1e-2, schedule="constant", seed=seed)
    train_decoder(
        decoder, small, templates, config, identities=owners, folder=folder, resume=resume,
        device="cpu", progress=False,
    )  # fmt: skip
    return decoder.state_dict()


part, whole_run = course.pick(quick=(2, 4), laptop=(6, 14))
with tempfile.TemporaryDirectory() as folder:
    library_run(part, folder)  # ends after `part` updates and leaves a checkpoint
    files = sorted(p.name for p in Path(folder).iterdir())
    continued = library_run(whole_run, folder, resume=True)
straight = library_run(whole_run)
same = all(torch.equal(straight[key], continued[key]) for key in straight)
print(f"after {part} updates the folder holds {', '.join(files)}")

# %% tags=["nbval-check-output"]
print("every weight equal to the bit:", same)

# %% [markdown]
# "To the bit" is a test, not a luxury: if a resumed run differs at all, something was forgotten, and
# nobody knows what. (It holds on a CPU with the same number of threads. GPUs add numbers in an order that
# can change.)
#
# ## The ward
#
# Six patients lie here. Each is the small network from above, trained for as many updates; one is healthy,
# the others have one thing wrong:
#
# | diagnosis | what was done |
# |---|---|
# | healthy | nothing |
# | rate too high | the learning rate is thirty times the healthy one |
# | rate too low | it is three hundred times smaller |
# | few people | six people to learn from instead of all |
# | pairs shuffled | each template was given another picture: a bug in the order of a list |
# | batch norm frozen | the running statistics are never updated |
#
# For each you get three curves: the loss on training pairs (*in training mode*), the loss on the people set
# aside (*in evaluation mode*), and the cosine between leaked and reconstructed template for these people.


# %%
def patient(lr=1e-2, people=None, shuffled=False, frozen=False):
    """Return [(update, training loss, hold-out loss, hold-out cosine)] of one training."""
    run = new_run(lr)
    if frozen:
        for module in run[0].modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.0
    chosen = slice(None) if people is None else slice(4 * people)
    some_templates, some_images = templates[chosen], images[chosen]
    if shuffled:
        some_templates = some_templates[torch.randperm(len(some_templates), generator=run[2])]
    chart = []
    for _ in range(course.pick(quick=1, laptop=8)):
        told = train(run, course.pick(quick=2, laptop=12), some_templates, some_images)
        with torch.inference_mode():
            output = run[0].eval()(hold_templates)
        cosine = (encoder.embed(output.clamp(-1, 1)) * hold_templates).sum(1).mean()
        update = (len(chart) + 1) * len(told)
        chart.append((update, np.mean(told), float(F.l1_loss(output, hold_images)), float(cosine)))
    return np.array(chart)


ward = {
    "A": patient(shuffled=True),
    "B": patient(),
    "C": patient(people=6),
    "D": patient(lr=0.3),
    "E": patient(frozen=True),
    "F": patient(lr=3e-5),
}

# %% tags=["slide"]
figure, axes = plt.subplots(2, 6, figsize=(8.8, 4), sharex=True, sharey="row")
for column, (name, chart) in enumerate(ward.items()):
    above, below = axes[:, column]
    above.plot(chart[:, 0], chart[:, 1], "o-", markersize=3, label="training pairs")
    above.plot(chart[:, 0], chart[:, 2], "s-", markersize=3, label="people set aside")
    above.set(title=f"patient {name}", ylim=(0, 1.05))
    below.plot(chart[:, 0], chart[:, 3], "k^-", markersize=3)
    below.axhline(0, color="black", linewidth=0.5)
    below.set(xlabel="update", ylim=(-0.15, 0.5))
axes[0, 0].set_ylabel("loss")
axes[1, 0].set_ylabel("cosine, people set aside")
axes[0, 0].legend(fontsize="x-small")
show(
    figure,
    "Six patients, A to F, losses above and cosine below. A: both losses fall a little, cosine stays at "
    "zero. B: both fall together and the cosine climbs. C: training loss falls far, the other stays. "
    "D: both stuck flat. E: training loss falls, the other is huge. F: both high, hardly falling.",
)

# %% [markdown]
# ### Exercise 9.4 ★★ the ward
#
# Write the diagnosis of each patient, in the words of the table.

# %%
### BEGIN SOLUTION
diagnosis = {
    "A": "pairs shuffled",
    "B": "healthy",
    "C": "few people",
    "D": "rate too high",
    "E": "batch norm frozen",
    "F": "rate too low",
}
### END SOLUTION
check("9.4", diagnosis)

# %% [markdown]
# (A dict with all six letters: `{"A": "healthy", ...}`.) Two of these fool the usual look at a falling
# training loss: it falls for the shuffled patient, which learns the average face and then learns pictures
# by heart, and for the frozen one, which is perfect until somebody asks it in evaluation mode. **Only the
# people set aside show it.** The authors' program, too, prints the distance of templates every 1,000
# batches.

# %% [markdown] tags=["slide"]
# ## What does it cost?
#
# Measure the rate of your machine, then multiply. Forward, backward and update, textbook arithmetic:

# %%
from nbnet_lib.attack.recipes import RECIPES


def pictures_per_second(size, batch, updates):
    """Return how many pictures a second NbNet-B learns from here, its first update not counted."""
    width = course.pick(quick=64, laptop=256)
    decoder = create_decoder("nbnet-b", 128, size, base_channels=width).to(course.device)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-4)
    t = F.normalize(torch.randn(batch, 128, generator=course.generator(1)), dim=1).to(course.device)
    x = torch.zeros(batch, 3, size, size, device=course.device)
    pixel_step(decoder, t, x, optimizer)
    began = time.perf_counter()
    for _ in range(updates):
        pixel_step(decoder, t, x, optimizer)
    return batch * updates / (time.perf_counter() - began)


speed = {64: pictures_per_second(course.pick(quick=40, laptop=64), course.pick(quick=4, laptop=64), course.pick(quick=1, laptop=4))}  # fmt: skip
if course.profile == "quick":
    speed[160] = speed[64] / 2.2  # a test has no time to measure it
else:
    speed[160] = pictures_per_second(160, 16, 4)
print(f"this machine: {speed[64]:.0f} pictures/s at 64 px, {speed[160]:.0f} at 160 px")


def work(recipe):
    """Return (side, updates, pictures) of a recipe, all its stages together."""
    configs = recipe.configs(course.device)
    pictures = sum(config.steps * config.batch_size for config in configs)
    return recipe.options["image_size"], sum(config.steps for config in configs), pictures


print(f"{'recipe':8s} {'px':>4s} {'updates':>8s} {'pictures':>11s}   pixel loss, on this machine")
for name, recipe in RECIPES.items():
    size, updates, pictures = work(recipe)
    seconds = pictures / speed[size]
    text = f"{seconds / 60:,.1f} minutes" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"
    print(f"{name:8s} {size:4d} {updates:8,} {pictures:11,}   {text}")

# %% [markdown]
# (Drawing the faces comes on top, and the perceptual loss and a surrogate, where a recipe has them.) The
# schedule of the authors' program is 32 million pictures, and that is why this course ships weights.
#
# **How fast a machine do you need?** Set your rate; nobody has measured a GPU for this course yet, so
# measure yours with the cell above before you believe a slider.


# %%
def budget(pictures_per_second=150, machines=1):
    """Bars: the time that each recipe takes at a rate of pictures per second, logarithmic."""
    figure, axis = plt.subplots(figsize=(8.8, 2.7))
    hours = [
        work(recipe)[2] / (pictures_per_second * machines) / 3600 for recipe in RECIPES.values()
    ]
    axis.barh(list(RECIPES), hours, color="tab:blue")
    axis.set(xscale="log", xlim=(1e-3, 1e4), xlabel="time")
    axis.set_xticks([1 / 60, 1, 24, 24 * 7, 24 * 30], ["minute", "hour", "day", "week", "month"])
    axis.minorticks_off()
    axis.invert_yaxis()
    for position, h in enumerate(hours):
        axis.text(h * 1.2, position, f"{h * 60:.1f} min" if h < 1 else f"{h:,.1f} h", va="center")
    return figure


explore(budget, pictures_per_second=(25, 5000, 25), machines=[1, 2, 4, 8])

# %% [markdown] tags=["slide"]
# ## From the laptop to several GPUs
#
# The loop is the same everywhere; only the command grows:
#
# ```sh
# nbnet train --list-recipes
# nbnet train --recipe quick --out runs/quick          # does everything work?
# nbnet train --recipe laptop --out runs/mine          # what the next cell does
# nbnet train --recipe laptop --out runs/mine --resume # after Ctrl-C, or a closed lid
# nbnet train --recipe gpu --device cuda --out runs/gpu
# torchrun --nproc_per_node 4 -m nbnet_lib.cli train --recipe gpu --out runs/four
# nbnet evaluate --decoder runs/mine/decoder.safetensors
# ```

# %% [markdown]
# With several processes each takes a share of every batch, the gradients are averaged, and batch norm
# looks at the whole batch: four GPUs compute what one would, sooner. `--recipe paper` is the authors'
# schedule.
#
# ## The real thing, live
#
# 20,000 pairs of 4,000 people, NbNet-B at 64 pixels, 900 updates of 64 pairs, pixel loss: the recipe
# `laptop`. Two idle cores need about eight minutes, plus two to draw the faces the first time. The bar says
# how long it still takes.
#
# **No time?** Set `run_it = False`, or stop the cell whenever you like (the square button, or Kernel >
# Interrupt). The chapter goes on with what is there and with the shipped weights. Run the cell again, today
# or next week, and it goes on from its last checkpoint, which lies in nbnet's cache (100 MB; `nbnet doctor`
# says where; delete the folder `course` there to begin anew).

# %%
run_it = True

from nbnet_lib.attack import reconstruct
from nbnet_lib.attack.data import Pairs
from nbnet_lib.attack.recipes import find_recipe
from nbnet_lib.files import cache_dir

recipe = find_recipe(course.pick(quick="quick", laptop="laptop"))
who, samples = course.pick(quick=(range(10_000, 10_010), 2), laptop=(range(20_000, 24_000), 5))
(config,) = recipe.configs(
    course.device,
    steps=course.pick(quick=4, laptop=900),
    batch_size=course.pick(quick=8, laptop=64),
    seed=seed,
    log_every=course.pick(quick=2, laptop=10),
    evaluate_every=course.pick(quick=2, laptop=100),
    checkpoint_every=course.pick(quick=2, laptop=50),
    keep=1,
)
torch.manual_seed(seed)
live = create_decoder("nbnet-b", 128, 64, base_channels=course.pick(quick=128, laptop=256))
looks, cosines = {}, {}  # update -> six pictures; update -> cosine; both of people set aside
album = None  # the folder where the pictures are kept, with the checkpoints


def look(decoder, step):
    """Keep what is drawn of six people set aside, and return the cosine of their templates."""
    output = reconstruct(decoder, hold_templates)
    looks[step] = to_uint8(output[::4][:6])
    again = encoder.embed(output)
    cosines[step] = float((again * hold_templates).sum(1).mean())
    if album is not None:
        np.save(album / f"look-{step}.npy", looks[step])
    return {"cosine": cosines[step]}


def long_run():
    """Draw, ask the box, train with checkpoints; return the history."""
    global album
    drawn = render_set(who, samples=samples)
    asked = encoder.embed(drawn.images, progress=True)
    key = f"{Pairs(drawn.images, asked, drawn.identities).fingerprint()}-{config.steps}-{seed}"
    folder = cache_dir() / "course" / f"chapter-09-{key}"
    if os.environ.get("NBNET_PROGRESS") == "off":  # a machine runs this: nobody comes back
        folder = Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    album = folder
    for kept in folder.glob("look-*.npy"):  # of an earlier run that was stopped
        looks[int(kept.stem[5:])] = np.load(kept)
    return train_decoder(
        live, drawn.images, asked, config, identities=drawn.identities, folder=folder,
        resume=True, evaluate=look, device="cpu" if course.device == "cpu" else "auto",
    )  # fmt: skip


look(live, 0)
history = []
try:
    history = long_run() if run_it else []
    told = "left out" if not run_it else f"{history[-1]['step']} updates made"
except KeyboardInterrupt:
    told = "stopped: run this cell again to go on from the last checkpoint, or read on"
    live.eval()
print(told)

# %%
if history:
    rate = np.median([entry["images_per_second"] for entry in history])
    print(f"{rate:.0f} pictures/s; loss {history[0]['loss']:.3f} -> {history[-1]['loss']:.3f}")
figure, axes = plt.subplots(1, 3, figsize=(8.8, 2.7))
axes[0].plot([h["step"] for h in history], [h["loss"] for h in history])
axes[0].set(title="loss on training pairs", xlabel="update")
axes[1].plot([h["step"] for h in history], [h["lr"] for h in history], color="tab:green")
axes[1].set(title="learning rate", xlabel="update")
cosines |= {h["step"]: h["cosine"] for h in history if "cosine" in h}
axes[2].plot(sorted(cosines), [cosines[s] for s in sorted(cosines)], "k^-")
axes[2].set(title="cosine, people set aside", xlabel="update")
show(
    figure,
    "The long run: the loss on training pairs falls steeply, then slowly; the learning rate rises for "
    "a tenth of the run and falls to zero as half a cosine; the cosine for people set aside climbs.",
)

# %% [markdown] tags=["slide"]
# ## Watch it learn
#
# Six people that it never met, after so many updates. **When does a face appear? When a person?**

# %%
from nbnet_lib.decoders import load_decoder

shipped = {
    "pixel, shipped": load_decoder("nbnet-b-64-pixel-colour", device=course.device),
    "strong, shipped": load_decoder("nbnet-b-64-colour", device=course.device),
}
stages = sorted(step for step in looks if step in cosines)
strangers = pairs.images[aside][::4][:6]
finished = to_uint8(reconstruct(shipped["pixel, shipped"], hold_templates[::4][:6]))
last = len(stages) - 1


def learning(stage=last):
    """Six people set aside, what was drawn of them after some updates, and the shipped decoder's."""
    step = stages[stage]
    sheet = np.concatenate([np.concatenate(list(x), 1) for x in (strangers, looks[step], finished)])
    figure, axis = plt.subplots(figsize=(8.8, 4.1))
    axis.imshow(sheet)
    axis.set(xticks=[], yticks=[32, 96, 160])
    axis.set_yticklabels(["person", f"after {step}", "shipped"])
    axis.set_title(f"{step} updates, cosine {cosines[step]:.2f}")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


explore(learning, stage=(0, max(1, len(stages) - 1))) if len(stages) > 1 else show(
    learning(0),
    "Six people set aside, the untrained network's noise, and the shipped decoder's faces.",
)

# %% tags=["slide"]
chosen = np.unique(np.rint(np.linspace(0, 1, 5) ** 2 * last).astype(int))  # early ones first
middle = [stages[i] for i in chosen]
show(
    rows_of(
        [to_tensor(x) for x in (strangers, *(looks[step] for step in middle), finished)],
        ["person", *(f"after {step}" for step in middle), "shipped"],
    ),
    "Six people set aside, and below what was drawn of their templates after more and more updates: "
    "coloured noise, then ovals, skin and hair of the right colour, then features; the shipped decoder "
    "in the last row.",
)

# %% [markdown]
# First the average of everybody, then colour and hair, then what makes a person. The pictures stay soft:
# the pixel loss asks for the mean of all faces that fit (chapter 07).
#
# ## Does it open the gate?
#
# Victims from 0 on; the threshold from comparisons of *originals* at the stated FAR (chapter 02). A fourth
# row keeps us honest: one average face, handed in for everybody.

# %%
from nbnet_lib import evaluate

n_victims, n_samples = course.pick(quick=(12, 3), laptop=(120, 6), gpu=(300, 6))
victims = render_set(range(n_victims), samples=n_samples)
leaked = encoder.embed(victims.images)
average = to_tensor(pairs.images).mean(0, keepdim=True).expand(len(victims), -1, -1, -1)
handed_in = {
    "average face": average,
    "just now": reconstruct(live, leaked),
    **{name: reconstruct(decoder, leaked) for name, decoder in shipped.items()},
}
results = {}
print(f"TAR at FAR 0.1 % [95 % interval over {n_victims} people]; just now: {told}")
for name, pictures in handed_in.items():
    results[name] = evaluate.evaluate_attack(
        leaked, victims.identities, encoder.embed(pictures), fars=(0.01, 0.001), decoder=name,
        resamples=course.pick(quick=50, laptop=400),
    )  # fmt: skip
    rates = results[name].rates[0.001]
    print(f"  {name:20s} type-I {rates['type1']!s:24s} type-II {rates['type2']}")
print(f"  honest users, another picture: {results['just now'].rates[0.001]['original']}")

# %% tags=["slide"]
figure, axis = plt.subplots(figsize=(8.8, 3))
scores = {name: result.scores["type1"] for name, result in results.items()}
axis.hist(
    results["just now"].scores["impostor"],
    bins=80,
    density=True,
    alpha=0.3,
    color="black",
    label="impostors",
)
for name, values in scores.items():
    if name != "average face":
        axis.hist(values, bins=60, density=True, histtype="step", linewidth=1.8, label=name)
threshold = results["just now"].thresholds[0.001]
axis.axvline(threshold, color="black", linestyle=":", label="threshold, FAR 0.1 %")
axis.set(xlabel="type-I score", ylabel="density", xlim=(-0.5, 1))
axis.legend(fontsize="small")
show(
    figure,
    "Histograms of type-I scores: impostors left of the threshold at FAR 0.1 %, the decoder trained "
    "just now mostly right of it if its run was finished, the shipped pixel decoder like it, the "
    "strong decoder far to the right.",
)

# %% tags=["slide"]
at = list(range(0, 6 * n_samples, n_samples))
show(
    rows_of(
        [to_tensor(victims.images[at]), *(pictures[at] for pictures in handed_in.values())],
        ["victim", *handed_in],
    ),
    "Six victims and below them the average face, what the decoder trained just now draws, and what the "
    "two shipped decoders draw.",
)

# %% [markdown]
# If you let it finish: ten minutes on a laptop, no picture of a victim, no look inside the recogniser. That
# is the cost of this attack against this system, and the number a defender should remember. The shipped
# decoder with the pixel loss had the same number of updates; *strong* is this course's extension beyond the
# paper (chapter 10 says what it does).
#
# ## What can go wrong
#
# - **Nobody set aside.** The training loss of a network that learns by heart is the best of all.
# - **Pictures set aside, not people.** Then the hold-out holds people that the network knows.
# - **The last checkpoint for the best.** Choose by the people set aside, never by the victims you report.
# - **A resumed run that differs.** Something was forgotten: optimiser, order of the data, rate, statistics.
# - **Only one seed.** Intervals here are over people; another seed of the training moves the numbers, too.
# - **Comparing runs of unequal cost.** Say updates, batch, pictures and minutes beside every rate.
#
# ## For those who defend
#
# - **Budget like the attacker.** 20,000 queries and ten minutes is not a state's budget. Limit queries per
#   account well below the number of pairs that a decoder needs, and measure that number for your system.
# - **Training once, decoding for ever.** The cost falls once per recogniser, not once per victim. Changing
#   the recogniser (or its key, with template protection) makes the attacker pay again.
# - **Repeat the audit.** With each new recogniser, train the attack anew, with checkpoints and a record of
#   seed, data and command: an audit that cannot be repeated is an opinion.
#
# ## Stretch
#
# - ★★ **Another patient.** Add an illness (a batch of 2, a learning rate that never falls, pictures flipped
#   at random without their templates). It worked when a colleague can tell it from the other six.
# - ★★★ **Fewer queries.** Train with 500, 2,000 and 8,000 pairs. It worked when you have a curve of type-I
#   TAR with intervals against the number of queries.
# - ★★★ **Two processes.** `torchrun --nproc_per_node 2 -m nbnet_lib.cli train --recipe quick --out runs/two`.
#   It worked when its history equals that of one process to several digits, and you can say why not to all.
# - ★★★★ **Average of weights.** Train with and without `--ema 0.998`, three seeds each. It worked when your
#   intervals over seeds say whether it matters.
#
# ## Quiz

# %%
quiz("09")

# %% [markdown] tags=["slide"]
# ## Summary
#
# - The loop: decode, measure, step. Everything else is keeping it alive and honest.
# - The paper: 2e-4, times 0.94 every 5,000 updates. Minutes ask for one cycle.
# - A checkpoint holds weights *and* statistics, Adam's memory, random numbers, the step. Test it to the bit.
# - A falling training loss proves little. People set aside, in evaluation mode, tell.
# - Ten minutes on a laptop are enough to open this gate; the attacker pays once.

# %% [markdown]
# Next: [10 Is it the same person?](10_is_it_the_same_person.ipynb).
#
# ## References
#
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5):1188-1202, 2019. DOI 10.1109/TPAMI.2018.2827389, arXiv 1703.00832. And the
#   authors' released program (csgcmai/NBNet on GitHub), which we read and did not copy.
# - D. P. Kingma, J. Ba: Adam: A Method for Stochastic Optimization. ICLR 2015, arXiv 1412.6980.
# - S. Ioffe, C. Szegedy: Batch Normalization. ICML 2015, arXiv 1502.03167.
# - L. N. Smith, N. Topin: Super-Convergence. arXiv 1708.07120, 2017 (one cycle).
# - P. Izmailov et al.: Averaging Weights Leads to Wider Optima and Better Generalization. UAI 2018,
#   arXiv 1803.05407.
