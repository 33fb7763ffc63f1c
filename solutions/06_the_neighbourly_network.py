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
# # 06 The neighbourly network
#
# **Can a network with fewer values draw the face as well, and can you write it yourself?** At the end
# of this chapter the network that you wrote, with weights that were trained before, draws a face from
# a template.

# %% [markdown]
# What you will learn
#
# - the idea of NbNet, and its two variants A and B, by writing a block of each;
# - to count the values of a network by hand, and why that is not its cost;
# - to put a whole decoder together and load trained weights into your own classes;
# - what the parts do, by switching them off, and how such an *ablation* can mislead;
# - whether the channels of NbNet are better than those of D-CNN: a measurement, with its limits.
#
# | | |
# |---|---|
# | Time | 80 minutes, of which the computer takes about one |
# | You need | what a de-convolution does (chapter 05); PyTorch modules at first sight are fine |
# | Exercises | 6.1 ★★ a block of NbNet-B, 6.2 ★★ a block of NbNet-A, 6.3 ★★ counting, 6.4 ★★ the whole network |
#
# Stuck? `hint("6.1")`, then `hint("6.1", level=2)`.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from nbnet_lib.course import check, explore, hint, quiz, show, start  # hint("6.1") helps  # noqa: F401
from nbnet_lib.decoders import count_parameters, create_decoder, load_decoder
from nbnet_lib.decoders.nbnet import BlockA, BlockB

course = start(profile, seed, device)

# %% [markdown] tags=["slide"]
# ## The neighbourly idea
#
# A plain decoder (D-CNN, chapter 05) lets each de-convolution make all channels of the larger picture
# at once. The authors found such channels repeated and noisy.
#
# NbNet lets a de-convolution make only **half** of the channels. The other half comes from its
# *neighbours*: small convolutions, 3x3, with 8 outputs each, which look at what is there already.
#
# - **NbNet-B**: a neighbour sees *everything* that was made before it (as in DenseNet, a 2017 image
#   classifier whose layers read all earlier ones).
# - **NbNet-A**: a neighbour sees only the 8 channels of the one before.
#
# Which of them reads more? Move `unit`.


# %%
def who_sees_what(unit=4, variant="NbNet-B", channels=32):
    """Boxes for a block's input x and its eight units; arrows lead from all that one unit reads."""
    figure, axis = plt.subplots(figsize=(8.8, 2.6))
    boxes = [("x", channels)] + [(f"unit {i}", 8) for i in range(8)]
    read = range(unit + 1) if variant == "NbNet-B" else [unit]  # box 0 is x, box i + 1 is unit i
    for place, (name, width) in enumerate(boxes):
        color = "C3" if place == unit + 1 else "C0" if place in read else "0.85"
        height = 0.9 if place == 0 else 0.55
        axis.add_patch(plt.Rectangle((place - 0.38, -height / 2), 0.76, height, color=color))
        shade = "white" if color != "0.85" else "0.4"
        axis.text(place, 0, f"{name}\n{width}", ha="center", va="center", color=shade, fontsize=9)
    for place in read:
        bend = f"arc3,rad={-0.35 if unit + 1 - place > 1 else 0}"
        style = {"arrowstyle": "->", "color": "C0", "connectionstyle": bend, "lw": 1.5}
        low = 0.28 if unit + 1 - place > 1 else 0
        start, end = (place + (0 if low else 0.38), low), (unit + (1 if low else 0.62), low)
        axis.annotate("", end, start, arrowprops=style)
    count = sum(boxes[place][1] for place in read)
    together = 8 * channels + 8 * sum(range(8)) if variant == "NbNet-B" else channels + 7 * 8
    axis.set_title(
        f"{variant}: unit {unit} reads {count} channels and makes 8\n"
        f"(all eight units together read {together})",
        fontsize=11,
    )
    axis.set(xlim=(-0.6, 8.6), ylim=(-0.6, 1.9))
    axis.set_axis_off()
    return figure


# %% tags=["subslide"]
explore(who_sees_what, unit=(0, 7), variant=["NbNet-B", "NbNet-A"], channels=[16, 32, 64, 256])

# %% [markdown]
# In both variants everything is concatenated at the end: `x` and the 8 channels of every unit. One
# unit is batch norm, ReLU, and a 3x3 convolution without bias, in this order (as in DenseNet). Batch
# norm brings each channel to mean 0 and spread 1, then applies a learned scale and shift; `eps` keeps
# it from dividing by 0, with the value that the shipped weights were trained with. The 8 outputs of a
# unit are its *growth*.


# %%
def make_unit(channels):
    """One neighbour: [N, channels, H, W] -> [N, 8, H, W]."""
    return nn.Sequential(
        nn.BatchNorm2d(channels, eps=1e-4),
        nn.ReLU(),
        nn.Conv2d(channels, 8, kernel_size=3, padding=1, bias=False),
    )


# %% [markdown]
# ### Exercise 6.1 ★★ a block of NbNet-B
#
# The units are there already: unit i reads `channels + 8 * i` channels and makes 8. Write `forward`,
# so that `x` with `channels` channels becomes `channels + 8 * units` channels, in this order: `x`
# first, then what unit 0 made, then unit 1, and so on.
#
# ```text
# x ─┬─ unit 0 ─┐
#    ├──────────┴─ cat ─┬─ unit 1 ─┐
#    └──────────────────┴──────────┴─ cat ─ ...
# ```


# %%
class NbBlock(nn.Module):
    """A block of NbNet-B: [N, channels, H, W] -> [N, channels + 8 * units, H, W]."""

    def __init__(self, channels, units):
        super().__init__()
        self.units = nn.ModuleList(make_unit(channels + 8 * i) for i in range(units))

    def forward(self, x):
        ### BEGIN SOLUTION
        for unit in self.units:
            x = torch.cat([x, unit(x)], dim=1)  # 8 channels more each time
        return x
        ### END SOLUTION


block_result = check("6.1", NbBlock)

# %% [markdown]
# ### Exercise 6.2 ★★ a block of NbNet-A
#
# A chain: unit 0 reads the block's input, every other unit only the 8 channels of the one before.
# First say how many channels each unit reads; then write `forward`. Input and output have the same
# shapes as before, and the order is the same: `x` first, then unit 0, unit 1, ...


# %%
def inputs_of_a(channels, units):
    """Return how many channels each unit of a chain reads: a list of `units` numbers."""
    ### BEGIN SOLUTION
    return [channels] + [8] * (units - 1)
    ### END SOLUTION


class NbBlockA(nn.Module):
    """A block of NbNet-A: [N, channels, H, W] -> [N, channels + 8 * units, H, W]."""

    def __init__(self, channels, units):
        super().__init__()
        self.units = nn.ModuleList(make_unit(c) for c in inputs_of_a(channels, units))

    def forward(self, x):
        ### BEGIN SOLUTION
        pieces = [x]
        for unit in self.units:
            pieces.append(unit(pieces[-1]))  # the newest 8 channels only
        return torch.cat(pieces, dim=1)
        ### END SOLUTION


check("6.2", inputs_of_a, NbBlockA)

# %% [markdown]
# Now the whole network at the paper's size. Between two blocks stands an *up* step: batch norm, ReLU,
# de-convolution 4x4 with stride 2, which doubles the edge. A *stem* makes the first small picture, a
# *head* (batch norm, ReLU, 1x1 convolution) the three colours. Watch the channels: each block doubles
# them, each up step brings them down to a quarter.

# %% tags=["nbval-check-output", "slide"]
nbnet = create_decoder("nbnet-b", image_size=160).eval()
with torch.no_grad():
    x = nbnet.stem(torch.zeros(1, 128, 1, 1))
    print("template 128")
    print("stem     ->", " x ".join(f"{n:3d}" for n in x.shape[1:]))
    for k, block in enumerate(nbnet.blocks):
        x = block(x)
        print(
            f"block {k}  ->",
            " x ".join(f"{n:3d}" for n in x.shape[1:]),
            f"  {len(block.layers)} units",
        )
        if k < len(nbnet.ups):
            x = nbnet.ups[k](x)
            print(f"up {k}     ->", " x ".join(f"{n:3d}" for n in x.shape[1:]))
    print("head     ->", " x ".join(f"{n:3d}" for n in nbnet.head(x).shape[1:]))

# %% [markdown]
# ### Exercise 6.3 ★★ counting the values of a block
#
# A claim such as "fewer parameters" should be counted, not believed. A block of NbNet-B starts from
# `channels` channels and has `units` units of `growth` channels each. One unit has a batch norm (a
# scale and a shift for each channel it reads) and a 3x3 convolution without bias. How many trainable
# values has the block?


# %%
def block_parameters(channels, units, growth=8):
    """Return the number of trainable values of a block of NbNet-B."""
    ### BEGIN SOLUTION
    total = 0
    for i in range(units):
        seen = channels + growth * i
        total += 2 * seen + 9 * seen * growth  # batch norm, then conv 3x3
    return total
    ### END SOLUTION


count_result = check("6.3", block_parameters)

# %% [markdown]
# Now add up the paper's network: 160 px, templates of 128 numbers. Your function counts the blocks, or
# PyTorch does where it has not passed yet.

# %% tags=["nbval-check-output"]
stem = 128 * 256 * 5 * 5  # 128 -> 256 channels, kernel 5x5, no bias
head = 2 * 16 + 16 * 3  # batch norm, conv 1x1 to three colours
total = stem + head
print(f"stem      128 -> 256       {stem:9,}")
for k in range(6):
    channels, units = 256 // 2**k, 32 // 2**k  # 256, 128, 64, 32, 16, 8 and 32, 16, 8, 4, 2, 1
    by_torch = count_parameters(BlockB(channels, units, 8))
    values = int(block_parameters(channels, units)) if count_result else by_torch
    print(f"block {k}   {channels:3d} -> {2 * channels:3d}       {values:9,}")
    total += values
    if k < 5:
        values = 2 * 2 * channels + 2 * channels * (channels // 2) * 4 * 4  # batch norm, de-conv
        print(f"up {k}      {2 * channels:3d} -> {channels // 2:3d}       {values:9,}")
        total += values
print(f"head       16 ->   3       {head:9,}")
print(f"NbNet-B by hand            {total:9,}")
for name in ["nbnet-b", "nbnet-a", "dcnn"]:
    print(
        f"{name:8s} by PyTorch        {count_parameters(create_decoder(name, image_size=160)):9,}"
    )

# %% [markdown] tags=["slide"]
# ## Fewer values, less work?
#
# | at 160 px | values |
# |---|---|
# | D-CNN | 4,432,304 |
# | NbNet-B | 3,411,472 |
# | NbNet-A | 2,289,040 |
#
# **Before you go on:** NbNet-B has about a quarter fewer values than D-CNN. Does it need fewer
# multiplications for a picture? Does it take less time?

# %% [markdown]
# A value of a convolution is used at every pixel. So we count three things for each size of picture:
# *values*; *multiplications* for one picture; and *numbers written* to memory by the layers as they
# stand in the code (batch norm, ReLU, convolution, concatenation). Skip the next cell at first
# reading: it only adds up, and the table after it is what we need.


# %%
def costs(name):
    """Return [sizes, 3]: values, multiplications, numbers written at 5, 10, ..., 160 pixels."""
    # A unit that reads r channels: 72 r = 3 * 3 * 8 * r weights, and 2 r values of batch norm.
    rows, edge = [], 5
    for k in range(6):
        channels, units = 256 // 2**k, 32 // 2**k
        if name == "D-CNN":  # one layer per size, twice as wide, then SELU
            into, taps = (128, 25) if k == 0 else (channels * 4, 16)
            values = into * channels * 2 * taps
            times, written = (
                values * (1 if k == 0 else (edge // 2) ** 2),
                2 * channels * 2 * edge**2,
            )
        else:
            step = range(units) if name == "NbNet-B" else [0] * units
            reads = [8 if name == "NbNet-A" and i else channels + 8 * s for i, s in enumerate(step)]
            into, taps = (128, 25) if k == 0 else (channels * 4, 16)
            values = into * channels * taps + (2 * into if k else 0) + 74 * sum(reads)
            times = into * channels * taps * (1 if k == 0 else (edge // 2) ** 2)
            times += 72 * sum(reads) * edge**2
            joined = [r + 8 for r in reads] if name == "NbNet-B" else [channels + 8 * units]
            written = (channels + 2 * sum(reads) + 8 * units + sum(joined)) * edge**2
            written += 2 * into * (edge // 2) ** 2 if k else 0  # norm and ReLU before the up step
        rows.append((values, times, written))
        edge *= 2
    return np.array(rows)  # the head is left out: a few hundred values


# %% tags=["nbval-check-output"]
table = {name: costs(name) for name in ["D-CNN", "NbNet-B", "NbNet-A"]}
print("160 px      values   multiplications   numbers written")
for name, rows in table.items():
    values, times, written = rows.sum(axis=0)
    print(f"{name:8s} {values / 1e6:6.2f} M {times / 1e6:13.0f} M {written / 1e6:14.1f} M")

# %% tags=["slide"]
figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.0))
edges = [5, 10, 20, 40, 80, 160]
kinds = ["values", "multiplications", "numbers written"]
for column, (axis, kind) in enumerate(zip(axes, kinds, strict=True)):
    for place, (name, rows) in enumerate(table.items()):
        axis.bar(np.arange(6) + 0.27 * (place - 1), rows[:, column] / 1e6, width=0.25, label=name)
    axis.set_xticks(range(6), edges)
    axis.set(title=f"{kind} (millions)", xlabel="edge in pixels")
axes[0].legend(frameon=False, fontsize=9)
show(
    figure,
    "Bars for D-CNN, NbNet-B and NbNet-A at picture edges from 5 to 160. Nearly all values lie at 5 "
    "and 10 pixels. Multiplications of D-CNN and NbNet-B are spread evenly from 10 pixels on. NbNet-B "
    "writes more numbers to memory than D-CNN at every size: from 36 times as many at 5 pixels to "
    "twice as many at 160, where A and B have one unit and are the same.",
)

# %% [markdown]
# Three different answers to "which network is larger". Values crowd where the picture is small;
# multiplications are nearly the same for B and D-CNN; and NbNet-B *writes* far more, because every
# unit normalises, rectifies and copies all that came before. Processors multiply faster than they
# fetch. So the network with fewer values can well be the slower one, unless somebody takes care.
#
# ### Why the library has NbNet twice
#
# `nbnet_lib/decoders/nbnet.py` is the version to read, and the one that you are writing here. On a CPU
# `fast/` beside it computes the same network without the copies: every channel is written once, and
# norm and ReLU are made again when they are needed. `decoder.implementation` chooses.
#
# The gate of this chapter is `synth-colour`, the colour matcher of chapter 03, and the weights below were
# trained against it.

# %%
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render_set

n_samples = course.pick(quick=4, laptop=6)
everybody = render_set(range(course.pick(quick=20, laptop=120)), samples=n_samples)
images = everybody.images[::n_samples][:60]  # one picture of each person
encoder = create_encoder("synth-colour", device=course.device)
templates = encoder.embed(images).to(course.device)  # [N, 128], unit length

shipped = load_decoder("nbnet-b-64-pixel-colour", device=course.device)
dcnn = load_decoder("dcnn-64-colour", device=course.device)
drawn, threads = {}, torch.get_num_threads()
torch.set_num_threads(1)  # with several, a busy machine would be what we measure
for name, decoder, way in [
    ("D-CNN", dcnn, "readable"),
    ("NbNet-B, readable", shipped, "readable"),
    ("NbNet-B, fast", shipped, "auto"),  # "auto": fast where it applies, that is on a CPU
]:
    decoder.implementation = way
    times = []
    for _ in range(course.pick(quick=3, laptop=8)):  # the best of several: others may be computing
        began = time.perf_counter()
        with torch.no_grad():
            drawn[name] = decoder(templates[:16]).cpu()
        times.append(time.perf_counter() - began)
    values = count_parameters(decoder)
    print(f"{name:18s} {values:9,} values at 64 px {min(times) * 1000:6.0f} ms for 16 pictures")
torch.set_num_threads(threads)
difference = (drawn["NbNet-B, readable"] - drawn["NbNet-B, fast"]).abs().max()
print(f"readable and fast differ by less than 0.0001: {bool(difference < 1e-4)}")

# %% [markdown]
# (One thread of one machine; yours differs. The values are fewer than above, as the last block of the
# 160 px network is missing and the stem is smaller.) In training the readable version also keeps all
# those copies for the backward pass. The number of values says nothing of all this.
#
# And what saving copies gains depends on the processor: on another machine the fast version needed 73 ms
# where the readable one needed 95.
#
# ## The network you wrote draws the face
#
# Time to put it together, at 64 px: a stem (1 pixel to 4), then five blocks with four up steps between
# them, then the head: batch norm, ReLU, 1x1 convolution, `tanh`, which brings every pixel into -1...1.


# %%
def make_up(channels, out_channels):
    """Double the edge: [N, channels, H, W] -> [N, out_channels, 2H, 2W]."""
    return nn.Sequential(
        nn.BatchNorm2d(channels, eps=1e-4),
        nn.ReLU(),
        nn.ConvTranspose2d(channels, out_channels, 4, stride=2, padding=1, bias=False),
    )


# %% [markdown]
# ### Exercise 6.4 ★★ the whole network
#
# The parts are made; write the way through them. The first line of `forward` is there: a template of
# length 1 has small entries, so it is scaled up, and becomes a picture of 1 x 1 pixel with 128
# channels.


# %%
class MyNbNet(nn.Module):
    """NbNet for 64 px: templates [N, 128] -> pictures [N, 3, 64, 64] in -1...1."""

    def __init__(self, block, base=256):
        super().__init__()
        self.stem = nn.ConvTranspose2d(128, base, 4, bias=False)  # 1x1 -> 4x4
        channels, blocks, ups = base, [], []
        for k in range(5):
            units = base // 8 // 2**k  # 32, 16, 8, 4, 2
            blocks.append(block(channels, units))
            channels += 8 * units  # 512, 256, 128, 64, 32
            if k < 4:
                ups.append(make_up(channels, channels // 4))
                channels //= 4  # 128, 64, 32, 16
        self.blocks, self.ups = nn.ModuleList(blocks), nn.ModuleList(ups)
        self.norm = nn.BatchNorm2d(channels, eps=1e-4)
        self.head = nn.Conv2d(channels, 3, 1, bias=False)

    def forward(self, templates):
        x = self.stem(templates[:, :, None, None] * 128**0.5)  # [N, base, 4, 4]
        ### BEGIN SOLUTION
        for k, block in enumerate(self.blocks):
            x = block(x)
            if k < len(self.ups):  # no up step after the last block
                x = self.ups[k](x)
        return torch.tanh(self.head(torch.relu(self.norm(x))))
        ### END SOLUTION


network_result = check("6.4", MyNbNet)

# %% [markdown]
# Now weights. `nbnet-b-64-pixel-colour` was trained with the library's classes, whose layers have other
# names
# than yours: `blocks.0.layers.0.norm.weight` there, `blocks.0.units.0.0.weight` here. But they come in
# the same order and have the same shapes, so we can hand them over one by one. (Where exercise 6.1 is
# not solved yet, your network gets the library's block; where 6.4 is not, the library draws.)


# %%
class LibraryBlock(BlockB):
    def __init__(self, channels, units):
        super().__init__(channels, units, growth=8)


def with_weights(name):
    """Return a decoder with the shipped weights `name`: the reader's own where it is ready."""
    library = load_decoder(name, device=course.device)
    library.implementation = "readable"
    if not network_result:
        return library, library
    network = MyNbNet(NbBlock if block_result else LibraryBlock).to(course.device)
    theirs = library.state_dict().values()
    network.load_state_dict(dict(zip(network.state_dict(), theirs, strict=True)))
    return network.eval(), library


who = "your network" if network_result else "the library"
results = {}
with torch.no_grad():
    for name in ["nbnet-b-64-pixel-colour", "nbnet-b-64-colour"]:
        network, library = with_weights(name)
        results[name] = network(templates[:7]).cpu()
        gap = (results[name] - library(templates[:7]).cpu()).abs().max()
        print(f"{who} with {name}: equal to the library's picture: {bool(gap < 1e-4)}")


# %%
def as_image(picture):
    """[3, H, W] in -1...1 -> [H, W, 3] in 0...1."""
    return (picture.permute(1, 2, 0).numpy() + 1).clip(0, 2) / 2


def strips(rows):
    """Draw rows of pictures with a name on the left."""
    count = len(next(iter(rows.values())))
    figure, axes = plt.subplots(len(rows), count, figsize=(8.8, 1.28 * len(rows)), squeeze=False)
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, row, strict=True):
            axis.imshow(picture if isinstance(picture, np.ndarray) else as_image(picture))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure


# %% tags=["slide"]
show(
    strips({
        "original": list(images[:7]),
        f"{who},\npixel weights": results["nbnet-b-64-pixel-colour"],
        f"{who},\nattack weights": results["nbnet-b-64-colour"],
    }),
    "Seven strangers in the top row. Below, what the network of this chapter draws from their "
    "templates alone, with two sets of weights: blurred faces with the right skin, hair and head "
    "shape, and sharper frontal portraits of the same people.",
)  # fmt: skip

# %% [markdown]
# **That is the attack.** Your classes, 128 numbers, and a face of somebody the network never saw. The
# *pixel weights* were trained to match the pixels of the picture itself. The *attack weights* come from
# the stronger recipe of chapter 09: they draw a frontal *portrait*, whatever the pose was. Pose, light and background are not theirs to know:
# the encoder was trained to drop them. What remains is what identifies, which is the whole trouble.
#
# ## What does a block do? An ablation
#
# Switch off units and see what is lost. **Before you move the sliders:** which block will cost the
# person most, the first (4 x 4 pixels) or the last (64 x 64)?
#
# A switched-off unit has to put out *something*. Two choices: zeros, or the mean of what it puts out
# for many faces, which keeps its usual size but says nothing about this one. (To replace it we use a
# *hook*: a function that PyTorch calls after a layer, and that may change what the layer puts out.) The
# blocks have 32, 16, 8, 4 and 2 units; more than there are cannot be switched off.

# %%
attack = load_decoder("nbnet-b-64-colour", device=course.device)
means = {}  # (block, unit) -> its mean output over all faces, [1, 8, H, W]


def remember(key):
    """Return a hook that keeps the mean output of one unit."""

    def keep(layer, given, made):
        means[key] = made.mean(dim=0, keepdim=True)

    return keep


hooks = [
    layer.register_forward_hook(remember((b, i)))
    for b, block in enumerate(attack.blocks)
    for i, layer in enumerate(block.layers)
]
with torch.no_grad():
    whole = attack(templates).cpu()
for hook in hooks:
    hook.remove()


# %%
def ablated(block, off, instead, chosen):
    """Draw the chosen templates with the first `off` units of a block switched off."""
    hooks = []
    for i, layer in enumerate(attack.blocks[block].layers[:off]):
        value = means[block, i] * (0.0 if instead == "zeros" else 1.0)
        hooks.append(layer.register_forward_hook(lambda m, given, made, v=value: v.expand_as(made)))
    try:
        with torch.no_grad():
            return attack(chosen).cpu()
    finally:
        for hook in hooks:
            hook.remove()


def similarity(pictures, chosen):
    """The recogniser's score: cosine of each picture's template with the stolen one."""
    return (encoder.embed(pictures).cpu() * chosen.cpu()).sum(dim=1)


# %%
def switch_off(block=0, units_off=32, instead="zeros"):
    """Six faces: original, drawn by the whole network, and drawn with units of one block off."""
    there = len(attack.blocks[block].layers)
    pictures = ablated(block, units_off, instead, templates[:6])
    score = similarity(pictures, templates[:6]).mean()
    before = similarity(whole[:6], templates[:6]).mean()
    edge = 4 * 2**block
    figure = strips({"original": list(images[:6]), "whole": whole[:6], "ablated": pictures})
    figure.suptitle(
        f"block {block} ({edge} x {edge} pixels): {min(units_off, there)} of {there} units give {instead}"
        f"; score {before:.2f} -> {score:.2f}",
        fontsize=10,
    )
    return figure


explore(switch_off, block=(0, 4), units_off=(0, 32), instead=["zeros", "the mean"])

# %% [markdown]
# Now block after block with all its units off, for some faces. The recogniser says how much of the person
# is left. As a yardstick: the score of two *different* people.

# %%
kinds, few = ["zeros", "the mean"], templates[: course.pick(quick=6, laptop=24)]
scores = np.array([
    [similarity(ablated(b, 99, kind, few), few).mean() for b in range(5)] for kind in kinds
])  # fmt: skip
strangers = similarity(
    torch.from_numpy(images).roll(1, 0).permute(0, 3, 1, 2) / 127.5 - 1, templates
)
figure, axis = plt.subplots(figsize=(8.8, 3.2))
for place, (kind, row) in enumerate(zip(kinds, scores, strict=True)):
    axis.bar(np.arange(5) + 0.36 * (place - 0.5), row, width=0.34, label=f"units give {kind}")
axis.axhline(similarity(whole, templates).mean(), color="C2", label="the whole network")
axis.axhline(strangers.mean(), color="0.4", linestyle="--", label="two strangers")
axis.set_xticks(range(5), [f"block {b}\n{4 * 2**b} x {4 * 2**b}" for b in range(5)])
axis.set(ylabel="mean score (cosine)")
axis.legend(frameon=False, fontsize=9, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 1.25))
show(
    figure,
    "Bars of the mean score when all units of one block give zeros or their mean. Block 0 falls to "
    "about 0.35 with zeros and 0.75 with the mean; blocks 1 to 3 stay near 0.8 with either; block 4 "
    "falls to about 0.3 and 0.5. The whole network has about 0.9, two strangers about 0.",
)
for kind, row in zip(kinds, scores, strict=True):
    print(f"units give {kind:9s}", *(f"block {b}: {score:.2f}  " for b, score in enumerate(row)))

# %% [markdown]
# With zeros, the first block and the last cost about the same; with the mean, the last costs the most.
# So compare the two colours before you say "this block matters". Block 0: most of the damage by zeros
# is the surprise of the later layers, which never saw zeros there; the mean takes that away. What then
# remains is this person's: set the explorer to "the mean" and compare hair and beards. In block 3 the
# mean costs a little *more* than zeros: neither choice is neutral. An ablation should say which it did.
#
# And block 4? It has 2 units and 2,960 of the network's three million values, yet no other block costs
# so much by the mean. Values, once more, are no measure of importance. Set the explorer to block 4 and
# "the mean": skin and hair drift to pink or yellowish, and the six faces come nearly to one tone.
#
# ## Are its channels better?
#
# The motive again: channels of a plain de-convolutional network repeat each other and are noisy, and
# neighbours refine them. Chapter 05 measured D-CNN: noisy, but hardly repeated. Now NbNet-B, trained
# on the same pictures with the same loss. We look at its two halves apart: what the de-convolution
# made, and what its neighbours made of it. (In the explorer each channel is stretched from black to
# white by itself.)
#
# **Before you run on:** in which half are the channels smoother? In which more alike?


# %%
def stages_of(decoder, kinds, chosen):
    """Return what each layer of the given kinds puts out: a list of [N, C, H, W]."""
    kept = []
    decoder.eval()  # as at the attack: batch norm with its running averages
    hooks = [
        layer.register_forward_hook(lambda layer, given, made: kept.append(made.cpu().clone()))
        for layer in decoder.modules()
        if isinstance(layer, kinds)
    ]
    with torch.no_grad():
        decoder(chosen)
    for hook in hooks:
        hook.remove()
    return kept


def measure(maps):
    """Return (mean |r|, effective share of channels, median roughness) as in chapter 05."""
    flat = maps.transpose(0, 1).flatten(1).double()  # [C, N * H * W]
    matrix = torch.corrcoef(flat[flat.std(dim=1) > 1e-6])
    others = ~torch.eye(len(matrix), dtype=torch.bool)
    eigenvalues = torch.linalg.eigvalsh(matrix)
    effective = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    across = (maps[..., 1:] - maps[..., :-1]).square().mean(dim=(0, 2, 3))
    down = (maps[:, :, 1:] - maps[:, :, :-1]).square().mean(dim=(0, 2, 3))
    variance = maps.var(dim=(2, 3)).mean(dim=0).clamp_min(1e-12)
    roughness = ((across + down) / 4 / variance).median()
    return float(matrix[others].abs().mean()), float(effective) / len(matrix), float(roughness)


# %%
whole_blocks = stages_of(shipped, BlockB, templates)
parts = {
    "D-CNN": stages_of(dcnn, nn.ConvTranspose2d, templates),
    "NbNet-B, de-convolution's half": [maps[:, : maps.shape[1] // 2] for maps in whole_blocks],
    "NbNet-B, neighbours' half": [maps[:, maps.shape[1] // 2 :] for maps in whole_blocks],
}


def mosaic(maps, rows=3, columns=5):
    """Tile the channels that vary most, each stretched from black to white."""
    height, width = maps.shape[1:]
    gap = max(1, width // 16)
    sheet = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap))
    strongest = np.argsort(-maps.std(axis=(1, 2)))[: rows * columns]
    for place, channel in enumerate(strongest):
        row, column = place // columns * (height + gap), place % columns * (width + gap)
        low, high = maps[channel].min(), maps[channel].max()
        stretched = (maps[channel] - low) / (high - low + 1e-9)
        sheet[row : row + height, column : column + width] = stretched
    return sheet


def side_by_side(stage=3, person=0):
    """Fifteen channels of D-CNN, of NbNet-B's de-convolutions and of its neighbours, at one size."""
    figure, axes = plt.subplots(1, 3, figsize=(8.8, 2.3))
    figure.get_layout_engine().set(wspace=0.08)
    for axis, (name, stages) in zip(axes, parts.items(), strict=True):
        axis.imshow(mosaic(stages[stage][person].numpy()))
        axis.set_title(
            f"{name}\n{stages[stage].shape[-1]} x {stages[stage].shape[-1]}", fontsize=10
        )
        axis.set_axis_off()
    return figure


# %% tags=["slide"]
explore(side_by_side, stage=(0, 4), person=(0, len(images) - 1))

# %% tags=["slide"]
measured = {name: [measure(maps) for maps in stages] for name, stages in parts.items()}
figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.4))
titles = ["mean |r| of two channels", "effective / all channels", "roughness (white noise: 1)"]
for column, (axis, title) in enumerate(zip(axes, titles, strict=True)):
    for (name, rows), style in zip(measured.items(), ["o-", "s--", "^:"], strict=True):
        axis.plot(range(5), [row[column] for row in rows], style, label=name)
    axis.set_xticks(range(5), [4, 8, 16, 32, 64])
    axis.set(title=title, xlabel="edge in pixels", ylim=(0, None))
figure.legend(
    *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
)
show(
    figure,
    "Three line charts over the sizes 4 to 64 pixels. Channels of D-CNN are the least alike and as "
    "rough as white noise; those of NbNet-B's neighbours are the most alike at the middle sizes and "
    "the smoothest; its de-convolutions lie mostly between, but at 32 and 64 pixels are as rough as "
    "noise and still far more alike than D-CNN's.",
)
for name in list(parts)[:2]:
    maps = parts[name][3]  # 32 x 32; what a 3x3 mean takes away is the finest detail
    alike = measure(maps - functional.avg_pool2d(maps, 3, 1, 1))[0]
    print(f"{name}: mean |r| of the finest detail alone at 32 px: {alike:.2f}")

# %% [markdown]
# Half of the motive is visible, and half is turned around.
#
# - **Noise: yes.** The neighbours' channels are smoother than those of the de-convolution beside them,
#   most clearly at 16 x 16 pixels. Cleaning up is what they do.
# - **Repetition: the other way round.** NbNet-B's channels are *more* alike than D-CNN's, except at
#   4 x 4 in the half of the de-convolution. Noise is unlike everything; smooth pictures of heads are
#   all somewhat alike, and so are channels with one and the same *grid*: at 32 and 64 pixels the
#   de-convolution's half is rough *and* alike, down to its finest detail. Look for the grid of chapter
#   05 in the explorer. Whoever ranks these networks by correlation alone ranks noise first.
#
# That is one pair of networks, so let us grow our own. NbNet-A has no shipped weights. We train
# narrow versions of all three (40 px, a quarter of the widths) on the same pairs in the same order, for
# a few seconds each, and measure before and after.

# %%
steps = course.pick(quick=2, laptop=120)
n_people = course.pick(quick=10, laptop=200)
training = render_set(range(10_000, 10_000 + n_people), samples=4)  # nobody of the 120 above
pixels = torch.from_numpy(training.images).permute(0, 3, 1, 2) / 127.5 - 1
pixels = functional.interpolate(pixels, size=40, mode="area").to(course.device)
train_templates = encoder.embed(training.images).to(course.device)
narrow = {
    "D-CNN": ("dcnn", 128, nn.ConvTranspose2d),
    "NbNet-A": ("nbnet-a", 64, BlockA),
    "NbNet-B": ("nbnet-b", 64, BlockB),
}


def train_briefly(decoder, bar):
    """A few updates with the pixel loss; the same batches for every network."""
    decoder.train()
    optimizer = torch.optim.Adam(decoder.parameters(), lr=2e-3, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = course.generator(6)
    for _ in range(steps):
        rows = torch.randint(len(pixels), (16,), generator=generator)
        loss = (decoder(train_templates[rows]) - pixels[rows]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        bar.update()


# %%
live, faces = {}, {}
with tqdm(total=3 * steps, desc="updates", mininterval=1) as bar:
    for name, (decoder_name, base, kind) in narrow.items():
        torch.manual_seed(seed)
        decoder = create_decoder(decoder_name, image_size=40, base_channels=base).to(course.device)
        before = [measure(maps) for maps in stages_of(decoder, kind, templates)]
        train_briefly(decoder, bar)
        after = [measure(maps) for maps in stages_of(decoder, kind, templates)]
        live[name] = {"before": before, "after": after}
        with torch.no_grad():
            faces[name] = decoder.eval()(templates[:7]).cpu()
        print(f"{name:8s} {count_parameters(decoder):8,} values, {steps} updates of 16 pictures")
if steps < 100:
    print(f"profile quick: {steps} updates are a test run; the text below speaks of laptop's 120")

# %% tags=["slide"]
figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.4))
for column, (axis, title) in enumerate(zip(axes, titles, strict=True)):
    for color, (name, runs) in zip(["C0", "C2", "C1"], live.items(), strict=True):
        for when, style in [("before", ":"), ("after", "o-")]:
            row = [values[column] for values in runs[when]]
            axis.plot(range(4), row, style, color=color, label=f"{name}, {when}")
    axis.set_xticks(range(4), [5, 10, 20, 40])
    axis.set(title=title, xlabel="edge in pixels", ylim=(0, None))
figure.legend(
    *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
)
show(
    figure,
    "The same three measures for narrow versions of D-CNN, NbNet-A and NbNet-B before and after a "
    "short training: lines at each size. Before it all three have channels that are little alike; "
    "after 120 updates (profile laptop) those of both NbNets are clearly more alike from 10 pixels "
    "on, those of D-CNN hardly changed.",
)

# %%
show(
    strips({"original": list(images[:7]), **faces}),
    "Seven strangers and what the three narrow networks draw of them after the short training: "
    "blurred blotches, D-CNN's with the most detail and the most noise (after the few updates of "
    "profile quick: only noise).",
)

# %% [markdown]
# With 120 updates (profile laptop) it is the same pattern as in the shipped pair, from another start
# and at another size: training leaves the channels of D-CNN nearly as unlike each other as it found
# them, and makes those of the NbNets alike;
# those of NbNet-B also become smoother. What you may conclude, and what not:
#
# - **You may not rank the architectures by this.** At most 120 updates, where the paper's schedule
#   allows 400,000; one seed; narrow networks. Look at the strips: which is ahead after seconds says
#   little about the end.
# - **The motive is not the proof.** That the authors got further with NbNet (on photographs, after long
#   training) does not show that they did so *because* its channels repeat less.
# - **At this course's cost B is not ahead of D-CNN.** With the strongest recipe both are equal within
#   their intervals, and ahead of NbNet-A (`guides/how_strong_is_the_attack.md`).
#
# ## What can go wrong
#
# - **Forgetting `dim=1`** asks `torch.cat` to join along the batch: an error, or, where the channels
#   happen to agree (8 and 8), silently twice as many images.
# - **Batch norm in training mode at the attack.** Then a picture depends on the other templates of its
#   batch. Call `decoder.eval()` first; `reconstruct` of the library does.
# - **Loading weights by order** works here because both classes list their parts in the same order.
#   `load_state_dict` checks shapes, not meaning: two layers of the same shape, exchanged, go unnoticed.
#   Compare outputs with a reference, as we did.
# - **Counting parameters and calling it cost.** At 160 pixels the last block has 592 values, and 25,600
#   positions to apply them to.
# - **An ablation by zeros.** It measures the part *and* the shock. Try the mean as well.
# - **Comparing architectures trained with different effort.** The cards of the shipped decoders
#   (`nbnet_lib/weights/*.json`) say what each was trained with.
#
# ## For those who defend
#
# You have just rebuilt the decoder of a published attack in a few short classes and loaded three
# million trained values into it. Nothing in them depends on the inside of the recogniser: hiding the
# encoder's architecture is no defence. Two lessons for an assessment:
#
# - **Do not bet on one decoder.** A plain network, a neighbourly one and even a straight line (chapter
#   04) get far on the same templates. What leaks is in the template, not in the attacker's taste.
# - **A decoder is small.** The 3.1 million values of yours are 12 MB. It fits into an e-mail; the training pairs
#   behind it are the bottleneck, and they come from queries that you can count.
#
# ## Stretch
#
# - ★★ **Growth 4 instead of 8.** `block_parameters(256, 64, growth=4)` has the same output channels as
#   the paper's first block. More or fewer values, and why? It worked when you can say it without
#   running it.
# - ★★★ **A block from the other end.** In `ablated`, switch off the *last* units instead of the first.
#   In NbNet-B, which are missed more? Say first what a dense block makes you expect. It worked when
#   you have a curve of scores for each of the two orders.
# - ★★★ **NbNet-A in your network.** Give `NbBlockA` to `MyNbNet` and count its values. It worked when
#   `count_parameters(create_decoder("nbnet-a", image_size=64))` agrees.
# - ★★★★ **A fair race.** Give D-CNN, A and B the same *time* instead of the same updates, three seeds
#   each, and compare them on new people by the recogniser's score. You have an answer when the spread
#   over seeds stands beside the difference.
#
# ## Quiz

# %%
quiz("06")

# %% [markdown] tags=["slide"]
# ## Summary
#
# - NbNet lets a de-convolution make half of the channels; neighbours of 8 channels make the rest.
# - In B a neighbour sees all that came before it, in A only the one before.
# - B 3,411,472, A 2,289,040, D-CNN 4,432,304 values; values, multiplications and time rank differently.
# - The network you wrote, with shipped weights, draws what the library draws.
# - Can fewer values draw the face as well? With the strongest recipe yes: NbNet-B equals D-CNN within
#   the intervals. With the pixel loss alone D-CNN is ahead (`guides/how_strong_is_the_attack.md`).
# - Here neighbours smooth; they do not make channels less alike. A motive is not a measurement.

# %% [markdown]
# Next: [07 What should the loss see?](07_what_should_the_loss_see.ipynb)
#
# ## References
#
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5), 2019. arXiv 1703.00832.
# - G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger: Densely Connected Convolutional Networks.
#   CVPR 2017.
# - S. Ioffe, C. Szegedy: Batch Normalization. ICML 2015.
# - R. Meyes, M. Lu, C. W. de Puiseau, T. Meisen: Ablation Studies in Artificial Neural Networks. 2019.
#   arXiv 1901.08644.
