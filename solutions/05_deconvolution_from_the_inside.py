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
# # 05 De-convolution from the inside
#
# **A template is 128 numbers. A small colour picture is 12,288. Which operation makes many numbers
# out of few, and what does it put into the picture that nobody asked for?**

# %% [markdown]
# What you will learn
#
# - what a *de-convolution* (transposed convolution) does, by writing one with numpy, first for one
#   channel and then for many;
# - sizes, strides, padding, and why PyTorch has an `output_padding`;
# - where checkerboards come from, and the half of the story that is usually left out;
# - D-CNN, the plain decoder of the paper (Mai et al. 2019), layer by layer;
# - how to *measure* whether channels repeat each other, and what a control is good for.
#
# | | |
# |---|---|
# | Time | 75 minutes, of which the computer takes less than one |
# | You need | numpy; what a convolution is; PyTorch layers at first sight are fine |
# | Exercises | 5.1 ★ size, 5.2 ★★ one channel, 5.3 ★★ many channels, 5.4 ★ counting, 5.5 ★★ correlation of channels |
#
# Stuck? `hint("5.1")`, then `hint("5.1", level=2)`.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import MaxNLocator
from torch import nn
from torch.nn import functional

from nbnet_lib.course import check, explore, hint, quiz, show, start  # hint("5.1") helps  # noqa: F401

course = start(profile, seed, device)

# %% [markdown] tags=["slide"]
# ## A convolution that runs backwards
#
# A convolution with stride 2 looks at a patch and writes one number: pictures shrink. To draw, we
# need the opposite: **one number in, a patch out**.
#
# - Multiply the whole kernel by one input pixel: a *stamp*. Press it into the output.
# - Move by `stride` for the next input pixel.
# - Where stamps overlap, they **add**. At the end cut `padding` pixels off every edge.
#
# That is all a **de-convolution** is (better: *transposed convolution*).

# %% tags=["subslide"]
values = np.array([1.0, 0.6, 0.3])  # three input pixels
kernel = np.array([0.5, 1.0, 1.0, 0.5])
stride = 2

matrix = np.zeros((8, 3))  # M: column i is the kernel, moved by i * stride
for i in range(3):
    matrix[i * stride : i * stride + 4, i] = kernel

figure, axes = plt.subplots(1, 2, figsize=(8.8, 2.9))
below = np.zeros(8)
for i, hatch in enumerate(["", "//", ".."]):
    stamp = matrix[:, i] * values[i]
    look = {"color": f"C{i}", "hatch": hatch, "edgecolor": "white", "label": f"pixel {i}"}
    axes[0].bar(range(8), stamp, bottom=below, **look)
    below += stamp
axes[0].set(title="stride 2: stamps overlap and add", xlabel="output pixel", ylabel="value")
axes[0].legend(frameon=False, fontsize=9, title="stamp of")
axes[1].imshow(matrix, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
for (row, column), entry in np.ndenumerate(matrix):
    if entry:
        shade = "white" if entry > 0.8 else "black"
        axes[1].text(column, row, entry, ha="center", va="center", color=shade, fontsize=9)
axes[1].set(title="the same as a matrix: output = M · input", xticks=range(3), yticks=range(8))
axes[1].set(xlabel="input pixel", ylabel="output pixel")
show(
    figure,
    "Left: three stamps, each moved by two output pixels, stacked where they overlap. Right: "
    "the same operation as a matrix of 8 rows and 3 columns, each column the kernel moved by two.",
)

# %% [markdown]
# The matrix on the right explains the name. It is the *transpose* of the matrix of an ordinary
# convolution: that one takes 8 numbers and makes 3. Deep learning libraries had the operation long
# before anybody drew pictures with it, because the gradient of a convolution needs it.
#
# **Before you run the next cell:** take an input, de-convolve it (multiply by M), then convolve the
# result with the same kernel (multiply by M transposed). Do you get the input back?

# %% tags=["nbval-check-output"]
drawn = matrix @ values  # 3 -> 8, de-convolution
back = matrix.T @ drawn  # 8 -> 3, convolution with the same kernel and stride
by_torch = functional.conv1d(
    torch.tensor(drawn)[None, None], torch.tensor(kernel)[None, None], stride=2
)
print("input                  ", values)
print("after there and back   ", back.round(2))
print("torch's convolution    ", by_torch[0, 0].numpy().round(2))

# %% [markdown]
# No. Transposing is not inverting: the shapes come back, the numbers do not. Nothing is
# "de-convolved", and no method hides in this layer that could undo a recogniser (the network that
# makes templates). Whatever a decoder knows about faces it has to learn.
#
# ### Exercise 5.1 ★ size after a de-convolution
#
# How many output pixels does a row of `size` input pixels give? Count the first stamp, then the
# moves, then what is cut off.


# %%
def deconv_size(size, kernel, stride, padding):
    """Return the output size of a de-convolution along one edge, in pixels."""
    ### BEGIN SOLUTION
    return (size - 1) * stride + kernel - 2 * padding
    ### END SOLUTION


check("5.1", deconv_size)

# %% [markdown]
# The decoders of this course use two kinds only: a *stem* that makes a first small picture from a
# single point, and kernel 4, stride 2, padding 1. Try your formula on the second kind: it doubles the
# edge exactly, whatever the edge is. The library's layers say so too:

# %% tags=["nbval-check-output"]
for name, stem, doublings in [("160 px (the paper)", 5, 5), ("64 px (this course)", 4, 4)]:
    x = torch.zeros(1, 1, 1, 1)
    x = nn.ConvTranspose2d(1, 1, stem)(x)  # 1x1 -> 5x5 or 4x4
    edges = [1, x.shape[-1]]
    for _ in range(doublings):
        x = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)(x)  # 5x5 -> 10x10
        edges.append(x.shape[-1])
    print(f"{name:20s}", " -> ".join(map(str, edges)))

# %% [markdown]
# ### Why there is an `output_padding`
#
# With kernel 3, stride 2, padding 1 a convolution makes 4 pixels of 7, and 4 pixels of 8 as well. So
# the way back has two answers, and PyTorch wants to be told which. `output_padding=1` keeps one more
# row and column at the far end, which `padding` would have cut. In spite of its name it adds no zeros,
# as long as `padding` is at least as large: then it only cuts less.

# %% tags=["nbval-check-output"]
shrink = nn.Conv2d(1, 1, 3, stride=2, padding=1)
for edge in (7, 8):
    print(f"convolution: {edge} -> {shrink(torch.zeros(1, 1, edge, edge)).shape[-1]}")
for more in (0, 1):
    grow = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=more)
    print(f"de-convolution, output_padding={more}: 4 -> {grow(torch.zeros(1, 1, 4, 4)).shape[-1]}")

# %% [markdown] tags=["slide"]
# ## One stamp after the other
#
# Now in two dimensions. Move `stamps` from 0 to 16 and watch the picture grow.
#
# **Before you move:** with stride 3 and this 3x3 kernel, how often is an output pixel touched?

# %%
small = course.rng(1).uniform(0.1, 1.0, size=(4, 4)).round(1)
KERNELS = {
    "hill 3x3": np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]),
    "hill 4x4": np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25]),
    "edge 3x3": np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 2,
}


def library_conv(x, kernel, stride, padding=0):
    """De-convolve x [H, W] with kernel [k, k], by PyTorch."""
    x, kernel = (torch.as_tensor(np.array(a))[None, None] for a in (x, kernel))
    return functional.conv_transpose2d(x, kernel, stride=stride, padding=padding)[0, 0].numpy()


# %% tags=["subslide"]
def stamping(stamps=6, kernel="hill 3x3", stride=2):
    """Input pixels, the last stamp and the output so far, for a number of stamps from 0 to 16."""
    chosen = KERNELS[kernel]
    pressed = np.arange(16).reshape(4, 4) < stamps
    out = library_conv(np.where(pressed, small, 0), chosen, stride)
    value = small.ravel()[stamps - 1] if stamps else 0.0
    limit = max(1.0, np.abs(library_conv(small, chosen, stride)).max())
    figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.2), width_ratios=[1, 1, 1.3])
    axes[0].imshow(np.where(pressed, small, np.nan), cmap="Reds", vmin=0, vmax=2.5)
    for (row, column), entry in np.ndenumerate(small):
        weight = "bold" if row * 4 + column == stamps - 1 else "normal"
        axes[0].text(column, row, f"{entry:.1f}", ha="center", va="center", weight=weight)
    axes[0].set_title(f"input 4 x 4: {stamps} stamped")
    axes[1].imshow(value * chosen, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[1].set_title(f"stamp: {value:.1f} · kernel" if stamps else "no stamp yet")
    axes[2].imshow(out, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[2].set_title(f"output so far, {len(out)} x {len(out)}")
    if stamps:
        row, column = divmod(stamps - 1, 4)  # the last pixel, and where its stamp went
        here = (column - 0.5, row - 0.5), 1, 1
        there = (column * stride - 0.5, row * stride - 0.5), len(chosen), len(chosen)
        for axis, box in ((axes[0], here), (axes[2], there)):
            axis.add_patch(plt.Rectangle(*box, fill=False, edgecolor="black", linewidth=2))
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    return figure


explore(stamping, stamps=(0, 16), kernel=list(KERNELS), stride=(1, 4))

# %% [markdown]
# With stride 3 the 3x3 stamps lie side by side: every pixel is touched exactly once. With stride 4 a
# gap of zeros stays between them. With stride 1 everything overlaps, and `hill` draws smoothly.
#
# ### Exercise 5.2 ★★ transposed convolution by hand
#
# Write it yourself, with numpy alone: two dimensions, one channel. Start from zeros, add stamp after
# stamp, cut off the padding. The check compares with PyTorch for several kernels, strides and paddings.


# %%
def transposed_conv(x, kernel, stride, padding):
    """De-convolve x [H, W] with kernel [k, k]; return the output as an array."""
    ### BEGIN SOLUTION
    k = len(kernel)
    height, width = x.shape
    out = np.zeros(((height - 1) * stride + k, (width - 1) * stride + k))
    for row in range(height):
        for column in range(width):
            r, c = row * stride, column * stride
            out[r : r + k, c : c + k] += x[row, column] * kernel
    return out[padding : out.shape[0] - padding, padding : out.shape[1] - padding]
    ### END SOLUTION


check("5.2", transposed_conv)

# %% [markdown]
# ## Many channels
#
# A layer has many input channels and many output channels, and a kernel for **each pair**. The rule
# is short: de-convolve every input channel with its own kernel, then **add** what arrives at the same
# output channel.
#
# ```text
# output[o] = sum over i of  transposed_conv(x[i], weight[i, o])
# ```
#
# Mind the order: PyTorch stores `weight` of a transposed convolution as `[in, out, k, k]`. An
# ordinary convolution has `[out, in, k, k]`. Exchanging them is the classic slip.
#
# ### Exercise 5.3 ★★ channels add up
#
# You may use `library_conv` above: it does exercise 5.2 for you, whether or not yours is finished.


# %%
def deconv_layer(x, weight, stride, padding):
    """De-convolve x [C_in, H, W] with weight [C_in, C_out, k, k]; return [C_out, H', W']."""
    ### BEGIN SOLUTION
    out = []
    for o in range(weight.shape[1]):
        parts = [library_conv(x[i], weight[i, o], stride, padding) for i in range(len(x))]
        out.append(sum(parts))
    return np.stack(out)
    ### END SOLUTION


layer_result = check("5.3", deconv_layer)

# %% [markdown]
# Now something real. `dcnn-64-colour` is a trained decoder that is shipped with the course, trained
# against `synth-colour`, the colour matcher of chapter 03. Its first layer makes the first 4x4 pixels, in
# many channels, from the template of a face. We let your function do it (PyTorch's, where yours has not
# passed yet) and compare with the network, for 16 of the channels.

# %%
from nbnet_lib.decoders import count_parameters, create_decoder, load_decoder
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render_set

n_samples = course.pick(quick=4, laptop=6)
everybody = render_set(range(course.pick(quick=20, laptop=120)), samples=n_samples)
images = everybody.images[::n_samples][:60]  # one picture of each person
recogniser = create_encoder("synth-colour", device=course.device)  # the colour matcher
templates = recogniser.embed(images)  # [N, 128], unit length
dcnn = load_decoder("dcnn-64-colour", device=course.device)

stem = next(layer for layer in dcnn.modules() if isinstance(layer, nn.ConvTranspose2d))
seen = []  # what goes into the stem, and what comes out
hook = stem.register_forward_hook(lambda layer, given, made: seen.append((given[0], made)))
with torch.no_grad():
    dcnn(templates[:1].to(course.device))
hook.remove()
given, made = (t[0].cpu().numpy() for t in seen[0])  # [128, 1, 1], [512, 4, 4]
weight = stem.weight.detach().cpu().numpy()[:, :16]  # [128, 16, 4, 4]
if layer_result:
    who, mine = "your deconv_layer", np.asarray(deconv_layer(given, weight, 1, 0))
else:
    x, w = torch.tensor(given)[None], torch.tensor(weight)
    who, mine = "PyTorch's layer", functional.conv_transpose2d(x, w)[0].numpy()
print(f"{who}: {list(mine.shape)}, equal to the network: {np.allclose(mine, made[:16], atol=1e-4)}")

# %% [markdown] tags=["slide"]
# ## Checkerboards
#
# Feed an even picture (all ones) through a kernel of ones: the output counts how many stamps touch
# each pixel.
#
# - If `stride` divides the kernel size, every inner pixel is touched equally often.
# - If not, the counts alternate, and the network has to *unlearn* a checkerboard before it can draw
#   (Odena, Dumoulin and Olah 2016).
#
# When is the middle flat?


# %% tags=["subslide"]
def overlap(kernel=3, stride=2, padding=0):
    """How many stamps touch each output pixel, for a 6 x 6 input: a map and its fullest row."""
    ones = torch.ones(1, 1, kernel, kernel)
    padding = min(padding, kernel - 1)
    counts = functional.conv_transpose2d(
        torch.ones(1, 1, 6, 6), ones, stride=stride, padding=padding
    )
    counts = counts[0, 0].numpy()
    figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.3), width_ratios=[1, 1.4])
    shown = axes[0].imshow(counts, cmap="viridis", vmin=0)
    axes[0].set(title=f"{counts.shape[0]} x {counts.shape[1]} pixels", xticks=[], yticks=[])
    whole = MaxNLocator(integer=True)  # there is no half stamp
    figure.colorbar(shown, label="stamps", ticks=whole)
    fullest = counts[counts.sum(axis=1).argmax()]
    axes[1].step(range(len(fullest)), fullest, where="mid")
    axes[1].set(title=f"fullest row: kernel {kernel}, stride {stride}, padding {padding}")
    axes[1].set(xlabel="output pixel", ylabel="stamps", ylim=(0, counts.max() * 1.05))
    axes[1].yaxis.set_major_locator(whole)
    return figure


explore(overlap, kernel=(1, 6), stride=(1, 4), padding=(0, 2))

# %% [markdown]
# So 4x4 kernels at stride 2, as the paper's decoders have them, cannot draw a checkerboard. Can they?
#
# The kernels above were all ones. A network starts with *random* ones, as often negative as positive.
# **Before you run the next cell:** an even picture goes through one random kernel of size 3, 4 or 5
# with stride 2. Which of the three draws the weakest checkerboard?

# %%
even = torch.ones(1, 1, 10, 10)


def by_deconv(k, noise):
    """An even picture through one de-convolution with the kernel ``noise``; the inner part."""
    out = functional.conv_transpose2d(even, noise, stride=2, padding=(k - 1) // 2)
    return out[..., 4:-4, 4:-4]


def by_upsampling(k, noise):
    """The same by repeating every pixel 2 x 2, then an ordinary convolution."""
    larger = functional.interpolate(even, scale_factor=2, mode="nearest")
    return functional.conv2d(larger, noise, padding=k // 2)[..., 4:-4, 4:-4]


def uneven_share(pictures):
    """How much of the energy of the pictures is not flat: 0 none, 1 all of it."""
    flat = pictures.mean(dim=(-2, -1)) ** 2
    return max(0.0, float(1 - flat.mean() / (pictures**2).mean()))


# %% tags=["subslide"]
cases = [
    ("de-conv 3x3", by_deconv, 3),
    ("de-conv 4x4", by_deconv, 4),
    ("de-conv 5x5", by_deconv, 5),
]
cases.append(("repeat 2x2, conv 3x3", by_upsampling, 3))
generator = course.generator(2)
figure, axes = plt.subplots(2, 4, figsize=(8.8, 4.6))
for column, (name, draw, k) in enumerate(cases):
    for row, (kind, mean) in enumerate([("mean 0", 0.0), ("mean 3", 3.0)]):
        noise = torch.randn(2000, 1, 1, k, k, generator=generator) + mean
        pictures = torch.stack([draw(k, one) for one in noise])  # 2000 kernels, one picture each
        picture = pictures[0, 0, 0].numpy()
        limit = np.abs(picture).max()
        axes[row, column].imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes[row, column].set(xticks=[], yticks=[], title=name if row == 0 else "")
        axes[row, column].set_xlabel(f"{uneven_share(pictures):.0%} uneven")
        axes[row, 0].set_ylabel(f"random kernel, {kind}")
show(
    figure,
    "Eight pictures drawn from an even input by random kernels. De-convolutions of 3, 4 and 5 all "
    "draw a strong regular pattern when the kernel's mean is 0, three quarters of the energy; when "
    "the mean is 3, the size 4 is nearly even, 5 less so, 3 least. Repeating pixels and then "
    "convolving is flat in both rows.",
)

# %% [markdown]
# Surprised? With kernels of mean zero **all three are equally uneven**: three quarters of the energy
# (the mean square) is pattern, for every size. At stride 2 a de-convolution is really four small
# convolutions, one for each position in a 2x2 cell, and random weights make four unrelated numbers of
# an even input. Their average keeps one quarter of the energy; the rest is pattern.
#
# What 4x4 at stride 2 gives is less, and still useful: no position is *favoured*. In the lower row the
# values of a kernel lie around 3. The more alike they become, the more even is the picture of 4x4,
# while 3 and 5 keep the pattern of the overlap map. Only repeating pixels first and convolving after
# is flat by construction, and pays for it with less freedom: see the stretch tasks.
#
# ## The obvious decoder: D-CNN
#
# Stack de-convolutions until the picture is large enough. After a stem, each one doubles the edge and
# halves the number of channels; a last convolution, the *head*, makes three colours. The authors of the
# paper call it **D-CNN**. Let us follow one template through it at the paper's size:

# %% tags=["nbval-check-output", "slide"]
print("template 128")
large = create_decoder("dcnn", image_size=160)
x = torch.zeros(1, 128)
trail = []


def tell(layer, given, made):
    _, channels, edge, _ = made.shape
    trail.append(channels * edge * edge)
    kind = type(layer).__name__
    print(f"  {kind:16s} {layer.kernel_size[0]}x{layer.kernel_size[0]} -> "
          f"{channels:4d} x {edge:3d} x {edge:3d} = {trail[-1]:7,} numbers")  # fmt: skip


layers = [m for m in large.modules() if isinstance(m, nn.ConvTranspose2d | nn.Conv2d)]
hooks = [layer.register_forward_hook(tell) for layer in layers]
with torch.no_grad():
    large.eval()(x)
for hook in hooks:
    hook.remove()

# %% [markdown]
# Between the layers stands an activation, SELU, which bends the negative numbers. Without it the whole
# stack would be one matrix, as in chapter 04.
#
# ### Exercise 5.4 ★ values of a layer
#
# How many trainable values has one de-convolution? There is a kernel for each pair of channels, and no
# bias. The cell after the exercise counts every layer. **Before you run it:** which has the most?


# %%
def deconv_values(channels_in, channels_out, kernel):
    """Return the number of trainable values of a de-convolution without bias."""
    ### BEGIN SOLUTION
    return channels_in * channels_out * kernel * kernel
    ### END SOLUTION


check("5.4", deconv_values)

# %% tags=["nbval-check-output"]
total = 0
for layer in layers:
    values = layer.weight.numel()
    total += values
    print(f"{layer.in_channels:3d} -> {layer.out_channels:3d}, {layer.kernel_size[0]}x"
          f"{layer.kernel_size[0]}   {values:9,}")  # fmt: skip
print(f"D-CNN        {total:11,}   (PyTorch counts {count_parameters(large):,})")

# %% [markdown]
# More than four million values, and more than four fifths of them sit where the picture is only 5 or
# 10 pixels wide. The last de-convolution, which brings the picture to its 160 x 160 pixels, has 8,192.
#
# ## What the authors suspected
#
# Look at the sizes again: every de-convolution after the stem puts out **twice as many numbers as it
# gets**. It is a linear map: 25,600 numbers go in, 51,200 come out, through a matrix of rank at most
# 25,600. So at least half of what it puts out is a weighted sum of the other half. That does not make
# any two *channels* alike, but it is the authors' motive for their own decoder, NbNet (chapter 06):
# channels made in this way repeat each other and are noisy.
#
# That is a claim about networks, so it can be measured on one. Here is the shipped D-CNN for 64 px, at
# work on a stranger. What do you see? (`stage` 0 is the stem.)


# %%
def stages_of(decoder, templates, kinds=nn.ConvTranspose2d):
    """Return what each layer of the given kinds puts out: a list of [N, C, H, W]."""
    kept = []
    hooks = [
        layer.register_forward_hook(lambda layer, given, made: kept.append(made.cpu().clone()))
        for layer in decoder.modules()
        if isinstance(layer, kinds)
    ]
    with torch.no_grad():
        pictures = decoder(templates.to(course.device)).cpu()
    for hook in hooks:
        hook.remove()
    return kept, pictures


trained, pictures = stages_of(dcnn, templates)
for maps in trained:
    print(list(maps.shape))


# %%
def mosaic(maps, rows=3, columns=6):
    """Tile the channels that vary most, each stretched from black to white; nan between them."""
    height, width = maps.shape[1:]
    gap = max(1, height // 16)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    strongest = np.argsort(-maps.std(axis=(1, 2)))[: rows * columns]
    for place, channel in enumerate(strongest):
        row, column = place // columns * (height + gap), place % columns * (width + gap)
        low, high = maps[channel].min(), maps[channel].max()
        stretched = (maps[channel] - low) / (high - low + 1e-9)
        sheet[row : row + height, column : column + width] = stretched
    return sheet


def channels(stage=3, person=0):
    """The 18 channels of D-CNN that vary most at one stage, beside the face that it draws."""
    figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.0), width_ratios=[1, 1, 2.1])
    axes[0].imshow(images[person])
    axes[0].set_title("original")
    axes[1].imshow((pictures[person].permute(1, 2, 0).numpy() + 1).clip(0, 2) / 2)
    axes[1].set_title("drawn by D-CNN")
    maps = trained[stage][person].numpy()
    axes[2].imshow(mosaic(maps), cmap=plt.get_cmap("gray").with_extremes(bad="C0"))
    axes[2].set_title(f"18 of {len(maps)} channels at {maps.shape[1]} x {maps.shape[2]}")
    for axis in axes:
        axis.set_axis_off()
    return figure


# %% tags=["slide"]
explore(channels, stage=(0, 4), person=(0, len(images) - 1))

# %% [markdown]
# Speckle, with the ghost of a head in a few channels, even at the stage that has the size of the picture.
# Some channels show a lattice with a period of two pixels: the checkerboards from above.
#
# And yet the picture beside it is smooth. The head weighs and adds up 32 noisy channels; does their
# speckle **average out**, as unrelated noise does, or has the head learned to **cancel** it? In the
# second case the speckle of the channels belongs together, face by face.
#
# **Before you run the next cell:** we take each channel from *another* face, with the same weights.
# Averaging would not notice. What will the picture look like?

# %%
torch.manual_seed(seed)
untrained = create_decoder("dcnn", image_size=64).to(course.device).eval()


def head_parts(decoder, maps):
    """Return what each channel adds to the pictures, [N, 32, 3, 64, 64], for maps of stage 4."""
    weight = decoder.head.weight.detach().cpu()  # [3, 32, 3, 3]
    each = weight.transpose(0, 1).reshape(-1, 1, 3, 3)  # [96, 1, 3, 3], three for each channel
    parts = functional.conv2d(functional.selu(maps), each, padding=1, groups=maps.shape[1])
    return parts.unflatten(1, (-1, 3))


def speckle(pictures):
    """Return the energy of what differs from the mean of the 3x3 pixels around."""
    flat = pictures.flatten(0, -4)  # [all, 3, 64, 64]
    around = functional.avg_pool2d(flat, 3, stride=1, padding=1, count_include_pad=False)
    return float((flat - around).square().mean())


# %%
generator = course.generator(4)
print("energy of the speckle    parts, together   their sum   sum, channels of different faces")
for name, decoder in [("random weights", untrained), ("trained", dcnn)]:
    parts = head_parts(decoder, stages_of(decoder, templates)[0][-1])
    orders = [torch.randperm(len(parts), generator=generator) for _ in range(parts.shape[1])]
    mixed = torch.stack([parts[order, i] for i, order in enumerate(orders)], dim=1).sum(dim=1)
    together = speckle(parts) * parts.shape[1]  # what a sum of unrelated parts would have
    print(f"{name:22s} {together:17.4f} {speckle(parts.sum(dim=1)):11.4f} {speckle(mixed):15.4f}")

# %% tags=["subslide"]
figure, axes = plt.subplots(1, 4, figsize=(8.8, 2.6))
for axis, drawn in zip(axes, [*pictures[:2], *mixed[:2].tanh()], strict=True):
    axis.imshow((drawn.permute(1, 2, 0).numpy() + 1) / 2)
    axis.set_axis_off()
axes[0].set_title("drawn by D-CNN", loc="left")
axes[2].set_title("each channel from another face", loc="left")
show(
    figure,
    "Two smooth faces as D-CNN draws them, and two pictures from the same weights where each of the "
    "32 channels comes from another face: a head of no one in particular under heavy colour speckle.",
)

# %% [markdown]
# **It cancels.** A sum of unrelated parts would keep their energy, and with random weights it does. The
# trained sum keeps less than a twentieth; take each channel from another face and nearly all of it is back.
# So the speckle of the channels is tied, face by face, and the head has learned how.
#
# ## Measuring it
#
# One number makes "repeat" visible: the **correlation** of two channels, 1 when one is a copy of the
# other, -1 when it is the negative. A channel is one long list of numbers: all its pixels for all
# faces.
#
# ### Exercise 5.5 ★★ correlation of channels
#
# Write the matrix of correlations, each channel with each. `maps` is a tensor, as `trained[0]` is;
# `np.asarray(maps)` makes it numpy, if you like that better.


# %%
def channel_correlation(maps):
    """Return the correlations of channels, [C, C], for maps [N, C, H, W], a torch tensor."""
    ### BEGIN SOLUTION
    flat = np.moveaxis(np.asarray(maps), 1, 0)  # [C, N, H, W]
    return np.corrcoef(flat.reshape(len(flat), -1))  # one row per channel
    ### END SOLUTION


correlation_result = check("5.5", channel_correlation)

# %% [markdown]
# Three summaries of a stage (computed by the chapter's own version of the matrix):
#
# - **mean |r|** of two different channels: 0 all different, 1 all copies.
# - **effective number**: how many uncorrelated channels would spread their variance the same way,
#   (sum of eigenvalues)² / (sum of squared eigenvalues) of the matrix. Also called participation ratio.
# - **roughness**: squared difference of neighbouring pixels over twice the variance. A smooth picture
#   has nearly 0, white noise 1, a checkerboard 2.


# %%
def measure(maps):
    """Return (mean |r|, effective number of channels, median roughness) of maps [N, C, H, W]."""
    flat = maps.transpose(0, 1).flatten(1).double()  # [C, N * H * W]
    matrix = torch.corrcoef(flat[flat.std(dim=1) > 1e-6])  # a dead channel resembles nothing
    others = ~torch.eye(len(matrix), dtype=torch.bool)
    eigenvalues = torch.linalg.eigvalsh(matrix)
    effective = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    across = (maps[..., 1:] - maps[..., :-1]).square().mean(dim=(0, 2, 3))
    down = (maps[:, :, 1:] - maps[:, :, :-1]).square().mean(dim=(0, 2, 3))
    variance = maps.var(dim=(2, 3)).mean(dim=0)
    roughness = ((across + down) / 4 / variance.clamp_min(1e-12)).median()
    return float(matrix[others].abs().mean()), float(effective), float(roughness)


# %% [markdown]
# **A number needs a control.** Is a mean |r| of 0.05 much? We compare with two cases in which we know
# what is going on:
#
# - *random weights*: the same network before any training;
# - *shuffled*: the trained channels, each with its pixels in an order of its own. No two are related,
#   so what is left is chance.
#
# **Before you run the next cell:** in which of the three summaries does training show?
# Will the trained channels be more alike or less alike than those of random weights?

# %%
generator = course.generator(3)


def shuffled(maps):
    """Give each channel its own order of pixels (and faces)."""
    flat = maps.transpose(0, 1).flatten(1)  # [C, N * H * W]
    mixed = torch.stack([row[torch.randperm(len(row), generator=generator)] for row in flat])
    return mixed.unflatten(1, (len(maps), *maps.shape[2:])).transpose(0, 1)


kinds = {
    "trained": trained,
    "random weights": stages_of(untrained, templates)[0],
    "shuffled": [shuffled(maps) for maps in trained],
}
measured = {name: [measure(maps) for maps in stages] for name, stages in kinds.items()}
print("size      channels   weights          mean |r|   effective number   roughness")
for level, maps in enumerate(trained):
    for name, rows in measured.items():
        r, effective, roughness = rows[level]
        size = f"{maps.shape[-1]:2d} x {maps.shape[-1]:2d}{maps.shape[1]:10d}"
        print(f"{size}    {name:14s} {r:9.2f} {effective:14.0f} {roughness:16.2f}")
if correlation_result:
    mine = np.abs(np.asarray(channel_correlation(trained[-1])))
    print(f"64 x 64 by your matrix, trained: {mine[~np.eye(len(mine), dtype=bool)].mean():10.2f}")

# %% tags=["slide"]
edges = [maps.shape[-1] for maps in trained]
counts = [maps.shape[1] for maps in trained]
photo = torch.from_numpy(images).permute(0, 3, 1, 2).float()  # for comparison: real smoothness
figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.2), layout="constrained")
for (name, rows), style in zip(measured.items(), ["o-", "s--", "^:"], strict=True):
    axes[0].plot(edges, [r for r, _, _ in rows], style, label=name)
    axes[1].plot(
        edges, [e / c for (_, e, _), c in zip(rows, counts, strict=True)], style, label=name
    )
    axes[2].plot(edges, [rough for _, _, rough in rows], style, label=name)
axes[2].axhline(measure(photo)[2], color="0.4", linewidth=1)
axes[2].annotate("the faces themselves", (4, measure(photo)[2]), (4, 0.12), fontsize=9, color="0.3")
axes[0].set(title="mean |r| of two channels", ylim=(0, 0.1))
axes[1].set(title="effective / all channels", ylim=(0, 1.05))
axes[2].set(title="roughness", ylim=(0, 1.2))
for axis in axes:
    axis.set_xscale("log", base=2)
    axis.set_xticks(edges, edges)
    axis.set_xlabel("edge in pixels")
axes[1].legend(frameon=False, fontsize=9, loc="lower left")
show(
    figure,
    "Three line charts over the stages of D-CNN. Mean correlation is below 0.1 everywhere and highest "
    "for the trained network from 8 x 8 on; the effective share of channels rises to near one for "
    "random weights and shuffled from 16 x 16 on and stays lower for the trained network; roughness "
    "is near one, that of white noise, in all three.",
)

# %% [markdown] tags=["subslide"]
# ### What this shows, and what it does not
#
# - **Repeated? No copies, but overlap.** Mean |r| stays below 0.1. Together, though, the channels span
#   less: at 16x16 the 128 trained ones count as about 70, the shuffled ones as more than 120.
# - **Noisy? Yes.** Their roughness is that of white noise, trained or not.
# - **"Different" is not "good".** The untrained network, which can draw nothing, has the more different
#   channels of the two. Learning to draw faces makes channels *more* alike.

# %% [markdown]
# Read the rows for 4x4 with care: a channel has only 16 numbers for each face there, and even unrelated
# channels then count as fewer. Compare with the shuffled row, not with the number of channels.
#
# And r has a blind spot: it compares the *same pixel* of *two* channels. A shifted or filtered copy
# escapes it, and so does a tie among many channels. The cancelling speckle is one: at 64x64 the
# effective number is nearly the full 32, and yet the head finds sums in which the speckle nearly vanishes.
#
# So the motive is borne out in part: noise yes, overlap yes, copies no. This D-CNN had 900 updates (its
# card: `nbnet_lib/weights/dcnn-64-colour.json`); the authors looked at theirs after up to 400,000, on
# photographs, and an observation about one network is no law for another. When you read "our design
# removes redundancy", ask: measured how, against which control, and is less of it better?
#
# The next chapter asks the same of NbNet. You may want to guess now: will its channels be less alike?
#
# ## What can go wrong
#
# - **A kernel that the stride does not divide** draws checkerboards before it learns anything else.
#   One that it does divide can draw them too.
# - **`weight[out, in]` instead of `weight[in, out]`.** With equal numbers of channels PyTorch does not
#   complain, and the network is another one.
# - **`=` instead of `+=`** where stamps overlap: the seams look like a checkerboard too.
# - **A correlation without a control.** With few faces and 4x4 pixels chance alone gives a mean |r|
#   above zero. The shuffled rows say how much.
# - **Correlating the wrong axis.** `maps.reshape(C, -1)` on `[N, C, H, W]` runs without complaint and
#   mixes faces and channels.
#
# ## For those who defend
#
# The attacker's tool is a stack of seven ordinary layers, known since the 2010s and in every library.
# Nothing in it is about faces, and nothing about your recogniser. A risk analysis that calls template
# inversion "a sophisticated attack" is out of date: what it takes is pairs of picture and template,
# that is, the right to ask the recogniser. Limit and log bulk queries, and count the templates
# themselves as pictures when you decide who may read them.
#
# Checkerboards are also evidence. A de-convolutional decoder can leave a pattern with a period of two
# pixels, which a forensic examiner finds in the highest frequencies of a suspicious picture. Do not rely
# on it: blurring or scaling removes it, and a decoder that repeats pixels never had it.
#
# ## Stretch
#
# - ★★ **A checkerboard on purpose.** Find a kernel, a tensor [1, 1, 4, 4], for which
#   `by_deconv(4, kernel)` is as uneven as possible. It worked when `uneven_share` prints 1.00.
# - ★★★ **Repeat-and-convolve is a de-convolution.** Repeating pixels 2x2 and convolving with a 3x3
#   kernel equals *one* de-convolution 4x4, stride 2, padding 1. Find its kernel. It worked when both
#   give the same picture to 1e-5 for any input, edges included. (How many free values of the 16 are
#   left?)
# - ★★★ **Backwards as a gradient.** Get a de-convolution without calling one: let
#   `torch.autograd.grad` differentiate a convolution. It worked when exercise 5.2 accepts it.
# - ★★★★ **Wait longer.** Train a D-CNN for ten times as many updates as its card says (it holds
#   the command), and measure again at several checkpoints. You have an answer when you can
#   say, with the shuffled control beside it, whether its channels begin to repeat.
#
# ## Quiz

# %%
quiz("05")

# %% [markdown] tags=["slide"]
# ## Summary
#
# - A de-convolution stamps each input pixel, scaled, into the output; overlaps add; input channels add.
# - Output edge = (size - 1) · stride + kernel - 2 · padding; 4x4 with stride 2 and padding 1 doubles.
# - It is the transpose of a convolution, not its inverse.
# - A divisible kernel size favours no pixel; random weights draw a pattern all the same.
# - D-CNN stacks de-convolutions: 4,432,304 values at 160 px.
# - Its channels here are noisy and overlap, without copies; the head has learned to cancel their noise.
# - A control decides what a number means.

# %% [markdown]
# Next: [06 The neighbourly network](06_the_neighbourly_network.ipynb)
#
# ## References
#
# - V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning. 2016. arXiv 1603.07285.
# - A. Odena, V. Dumoulin, C. Olah: Deconvolution and Checkerboard Artifacts. Distill, 2016.
# - G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter: Self-Normalizing Neural Networks (SELU, the
#   activation of D-CNN). NIPS 2017.
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5), 2019. arXiv 1703.00832.
