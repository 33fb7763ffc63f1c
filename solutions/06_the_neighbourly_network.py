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
# # 03 Neighbourly de-convolution
#
# **A template is 128 numbers. A small colour picture is 12,288. How does a network draw the one from
# the other, and why did the authors of NbNet not simply use the obvious network?**
#
# What you will learn
#
# - what a *de-convolution* (transposed convolution) does, by writing one;
# - sizes and strides, and where checkerboard patterns come from;
# - the obvious decoder, D-CNN, and what its channels look like;
# - the *neighbourly* block of NbNet-B, by writing one, and how to count its values by hand.
#
# | | |
# |---|---|
# | Time | 60 minutes, of which the computer takes less than one |
# | You need | what a convolution is; PyTorch modules at first sight are fine |
# | Exercises | 3.1 ★ size, 3.2 ★★ transposed convolution, 3.3 ★★★ a block of NbNet-B, 3.4 ★★ counting |
#
# Stuck? `hint("6.1")`, then `hint("6.1", level=2)`.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from nbnet_lib.course.check import check
from nbnet_lib.course.explore import explore, show
from nbnet_lib.course.hints import hint  # for you: hint("6.1")  # noqa: F401
from nbnet_lib.course.profile import start

course = start(profile, seed, device)

# %% [markdown]
# ## A convolution that runs backwards
#
# A convolution with stride 2 looks at a patch of the input and writes one number: pictures shrink.
# To draw, we need the opposite: *one number in, a patch out*. That is all a **de-convolution** is
# (more exactly: *transposed convolution*; nothing is un-convolved).
#
# Take each input pixel. Multiply the whole kernel by it: a *stamp*. Press the stamp into the output.
# Move by `stride` for the next pixel. Where stamps overlap, they **add**. At the end cut `padding`
# pixels off every edge.

# %%
values = np.array([1.0, 0.6, 0.3])  # three input pixels
kernel = np.array([0.5, 1.0, 1.0, 0.5])
stride = 2

stamps = np.zeros((3, 8))
for i, value in enumerate(values):
    stamps[i, i * stride : i * stride + 4] = value * kernel

figure, axes = plt.subplots(1, 2, figsize=(8.8, 2.8))
below = np.zeros(8)
for i, stamp in enumerate(stamps):
    axes[0].bar(
        range(8),
        stamp,
        bottom=below,
        color=f"C{i}",
        hatch=["", "//", ".."][i],
        edgecolor="white",
        label=f"stamp of pixel {i}",
    )
    below += stamp
axes[0].set(title="stride 2: stamps overlap by two and add", xlabel="output pixel")
axes[0].legend(frameon=False, fontsize=8)
matrix = np.zeros((8, 3))
for i in range(3):
    matrix[i * stride : i * stride + 4, i] = kernel
axes[1].imshow(matrix, cmap="Blues", vmin=0, vmax=1.3)
for (row, column), entry in np.ndenumerate(matrix):
    axes[1].text(column, row, f"{entry:.1f}" if entry else "", ha="center", va="center", fontsize=8)
axes[1].set(
    title="the same as a matrix: output = M · input",
    xlabel="input pixel",
    ylabel="output pixel",
    xticks=range(3),
    yticks=range(8),
)
show(
    figure,
    "Left: three stamps, each moved by two output pixels, stacked where they overlap. Right: "
    "the same operation as a matrix of 8 rows and 3 columns, each column the kernel moved by two.",
)

# %% [markdown]
# The matrix on the right explains the name. A convolution with this kernel and stride multiplies by
# the *transpose* of M, and its gradient multiplies by M: deep learning libraries had the operation
# long before anybody drew pictures with it.
#
# ### Exercise 6.1 ★ size
#
# How many output pixels does a row of `size` input pixels give? Count the first stamp, then the
# moves, then what is cut off.


# %%
def deconv_size(size, kernel, stride, padding):
    """Return the output size of a de-convolution along one edge, in pixels."""
    ### BEGIN SOLUTION
    return (size - 1) * stride + kernel - 2 * padding
    ### END SOLUTION


check("6.1", deconv_size)

# %% [markdown]
# The decoders of this course use two kinds only: a *stem* that makes a first small picture from a
# single point, and kernel 4, stride 2, padding 1, which exactly doubles the edge. The library's
# layers say so:

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
# ### Exercise 6.2 ★★ transposed convolution by hand
#
# Now in two dimensions, one channel: write it with numpy. The check compares with PyTorch for several
# kernels, strides and paddings.


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


check("6.2", transposed_conv)

# %% [markdown]
# ## Checkerboards
#
# Feed a completely even picture (all ones) through a kernel of ones, and the output counts how many
# stamps touch each pixel. If `stride` divides the kernel size, every inner pixel is touched equally
# often. If it does not, the counts alternate, and the network has to *unlearn* a checkerboard before
# it can draw (Odena, Dumoulin and Olah 2016). Move the controls: when is the middle flat?


# %%
def overlap(kernel=3, stride=2, padding=0):
    """How many stamps touch each output pixel, for a 6 x 6 input."""
    counts = nn.functional.conv_transpose2d(
        torch.ones(1, 1, 6, 6),
        torch.ones(1, 1, kernel, kernel),
        stride=stride,
        padding=min(padding, kernel - 1),
    )[0, 0].numpy()
    figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.3), width_ratios=[1, 1.4])
    shown = axes[0].imshow(counts, cmap="viridis", vmin=0)
    axes[0].set(title=f"{counts.shape[0]} x {counts.shape[1]} pixels", xticks=[], yticks=[])
    figure.colorbar(shown, label="stamps")
    middle = counts[len(counts) // 2]
    axes[1].step(range(len(middle)), middle, where="mid")
    axes[1].set(
        title=f"middle row: kernel {kernel}, stride {stride}, padding {padding}",
        xlabel="output pixel",
        ylabel="stamps",
        ylim=(0, None),
    )
    return figure


explore(overlap, kernel=(1, 6), stride=(1, 4), padding=(0, 2))
# %%
even = torch.ones(1, 1, 8, 8)
figure, axes = plt.subplots(1, 3, figsize=(8.8, 2.9))
for axis, (k, padding) in zip(axes, [(3, 1), (4, 1), (5, 2)], strict=True):
    counts = nn.functional.conv_transpose2d(even, torch.ones(1, 1, k, k), stride=2, padding=padding)
    axis.imshow(counts[0, 0, 2:-2, 2:-2], vmin=0, vmax=9, cmap="viridis")
    axis.set(title=f"kernel {k}, stride 2", xticks=[], yticks=[])
show(
    figure,
    "The inner part of three overlap maps. Kernels 3 and 5 with stride 2 give a "
    "checkerboard; kernel 4 with stride 2 is flat.",
)

# %% [markdown]
# That is why the paper's decoder uses 4x4 kernels at stride 2.
#
# ## The obvious decoder: D-CNN
#
# Stack de-convolutions until the picture is large enough. Each one halves the number of channels and
# doubles the edge; the last layer makes three colours. The authors call it **D-CNN**. Let us follow
# one template through it at the paper's size:

# %% tags=["nbval-check-output"]
from nbnet_lib.decoders import count_parameters, create_decoder


def shape_trail(decoder, kinds):
    """Print the shape after every layer of the given kinds, for one template."""

    def tell(module, inputs, output):
        n, channels, height, width = output.shape
        print(f"  {type(module).__name__:16s} -> {channels:4d} x {height:3d} x {width:3d}")

    hooks = [m.register_forward_hook(tell) for m in decoder.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        decoder.eval()(torch.zeros(1, 128))
    for hook in hooks:
        hook.remove()


print("template 128")
shape_trail(create_decoder("dcnn", image_size=160), (nn.ConvTranspose2d, nn.Conv2d))

# %% [markdown]
# What is wrong with it? Look at the step to 16 channels of 160 x 160. A de-convolution has to make
# *all* channels of a large picture at once, from a smaller one, each as a weighted sum of the same few
# stamps. The paper's observation: such channels repeat each other and are noisy. One number makes
# "repeat" visible: the **correlation of two channels**, 1 when one is a copy of the other.
#
# ## The neighbourly idea
#
# NbNet lets each de-convolution make only *half* of the channels, and hands the other half to small
# convolutions with 8 outputs each, the *neighbours*. A 3x3 convolution to 8 channels is cheap. In
# **NbNet-B** every neighbour sees everything that was made before it (as in DenseNet), so it can add
# what is still missing instead of repeating it:
#
# ```text
# x ─┬─ unit 0 ─┐
#    ├──────────┴─ cat ─┬─ unit 1 ─┐
#    └──────────────────┴──────────┴─ cat ─ ...      each unit: batch norm, ReLU, conv 3x3 to 8
# ```
#
# In **NbNet-A** a neighbour sees only the 8 channels of the one before it, and everything is
# concatenated once, at the end.
#
# ### Exercise 6.3 ★★★ a block of NbNet-B
#
# The units are there already: unit i reads `channels + 8 * i` channels and makes 8. Write `forward`,
# so that `x` with `channels` channels becomes `channels + 8 * units` channels.


# %%
class NbBlock(nn.Module):
    """A block of NbNet-B: [N, channels, H, W] -> [N, channels + 8 * units, H, W]."""

    def __init__(self, channels, units):
        super().__init__()
        self.units = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(channels + 8 * i, eps=1e-4),
                nn.ReLU(),
                nn.Conv2d(channels + 8 * i, 8, kernel_size=3, padding=1, bias=False),
            )
            for i in range(units)
        )

    def forward(self, x):
        ### BEGIN SOLUTION
        for unit in self.units:
            x = torch.cat([x, unit(x)], dim=1)  # 8 channels more each time
        return x
        ### END SOLUTION


check("6.3", NbBlock)

# %% [markdown]
# Now the whole network. Each *up* step is a de-convolution that doubles the edge; each *block*
# refines at one size and doubles the channels. Watch the pairs:

# %% tags=["nbval-check-output"]
from nbnet_lib.decoders.nbnet import BlockB, Up

print("template 128")
nbnet = create_decoder("nbnet-b", image_size=160)
shape_trail(nbnet, (BlockB, Up))

# %% [markdown]
# ### Exercise 6.4 ★★ counting the values of a block
#
# A claim such as "fewer parameters" should be counted, not believed. A block starts from `channels`
# channels and has `units` units of `growth` channels each. One unit has a batch norm (a scale and a
# shift for each channel it reads) and a 3x3 convolution without bias. How many trainable values has
# the block?


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


check("6.4", block_parameters)

# %% [markdown]
# Now add up the paper's network, 160 px and 128-D. The stem, the up steps and the head are counted by
# hand; for the blocks we take PyTorch's count, which your function must agree with.

# %% tags=["nbval-check-output"]
total = 128 * 256 * 5 * 5  # the stem: 128 -> 256 channels, kernel 5x5, no bias
print(f"stem                      {total:9,}")
for k, block in enumerate(nbnet.blocks):
    channels = 16 * 2 ** (5 - k)  # what the block puts out: 512, 256, 128, 64, 32, 16
    values = count_parameters(block)
    print(f"block {k}: {len(block.layers):2d} units          {values:9,}")
    total += values
    if k < 5:
        out = channels // 4  # 128, 64, 32, 16, 8
        values = 2 * channels + channels * out * 4 * 4  # batch norm, de-conv 4x4
        print(f"up {k}: {channels:3d} -> {out:3d} channels {values:9,}")
        total += values
total += 2 * 16 + 16 * 3  # the head: batch norm, conv 1x1 to three colours
print(f"head                      {2 * 16 + 16 * 3:9,}")
print(f"NbNet-B by hand           {total:9,}")
for name in ["nbnet-b", "nbnet-a", "dcnn"]:
    print(f"{name:8s} by PyTorch       {count_parameters(create_decoder(name, image_size=160)):9,}")

# %% [markdown]
# NbNet-B has about a quarter fewer values than D-CNN, NbNet-A about half. Fewer values is not less
# work, though: the blocks at 80 and 160 pixels have few values and many pixels.
#
# ## What the channels look like
#
# Enough of shapes. Here are two decoders that were trained on the same templates (they are shipped
# with the course; chapter 04 trains one). We send a template of a stranger through both and look at
# the channels after the last doubling before the full size.

# %%
from nbnet_lib.decoders import load_decoder
from nbnet_lib.encoders import create_encoder
from nbnet_lib.evaluate import Result
from nbnet_lib.faces import render_set

n_samples = course.pick(quick=4, laptop=6)
everybody = render_set(range(course.pick(quick=20, laptop=120)), samples=n_samples)
images = everybody.images[::n_samples][:60]  # one picture of each person
templates = create_encoder("synth", device=course.device).embed(images)  # [N, 128]
decoders = {
    "D-CNN": load_decoder("dcnn-64", device=course.device),
    "NbNet-B": load_decoder("nbnet-b-64-pixel", device=course.device),
}


def activations(decoder, kinds):
    """Return what every layer of the given kinds puts out: a list of [N, C, H, W]."""
    kept = []
    hooks = [
        m.register_forward_hook(lambda module, inputs, output: kept.append(output.clone().cpu()))
        for m in decoder.modules()
        if isinstance(m, kinds)
    ]
    with torch.no_grad():
        pictures = decoder(templates.to(course.device)).cpu()
    for hook in hooks:
        hook.remove()
    return kept, pictures


stages, pictures = {}, {}
stages["D-CNN"], pictures["D-CNN"] = activations(decoders["D-CNN"], nn.SELU)  # stem, then each up
stages["NbNet-B"], pictures["NbNet-B"] = activations(decoders["NbNet-B"], BlockB)  # each block


# %%
def mosaic(maps, rows=4, columns=8, gap=2):
    """Tile the channels that vary most, each stretched from black to white."""
    height, width = maps.shape[1:]
    sheet = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap))
    strongest = np.argsort(-maps.std(axis=(1, 2)))[: rows * columns]
    for place, channel in enumerate(strongest):
        row, column = place // columns * (height + gap), place % columns * (width + gap)
        low, high = maps[channel].min(), maps[channel].max()
        sheet[row : row + height, column : column + width] = (maps[channel] - low) / (
            high - low + 1e-9
        )
    return sheet


figure, axes = plt.subplots(1, 2, figsize=(8.8, 2.6))
for axis, (name, stage) in zip(axes, stages.items(), strict=True):
    maps = stage[-2][0].numpy()  # [C, 32, 32], channels of the first face
    axis.imshow(mosaic(maps))
    axis.set_title(f"{name}: 32 of {len(maps)} channels at 32 x 32")
    axis.set_axis_off()
show(
    figure,
    "Small grey pictures of 32 channels each of D-CNN and NbNet-B at 32 x 32 pixels: mostly fine "
    "speckle in D-CNN; in NbNet-B stripes and speckle, and some smooth channels with the outline of a "
    "head.",
)

# %% [markdown]
# Which channels repeat others is hard to see. To count instead of look: flatten every channel over all faces and
# pixels, and correlate each with each. Two summaries of the matrix:
#
# - the **mean absolute correlation** of two different channels (0: all different, 1: all copies);
# - the **effective number of channels**: how many uncorrelated channels would spread their variance
#   the same way. It is (sum of eigenvalues)² / (sum of squared eigenvalues) of the correlation matrix.


# %%
def redundancy(maps):
    """Return (correlation matrix [C, C], mean absolute correlation, effective number)."""
    flat = maps.permute(1, 0, 2, 3).flatten(1).double()  # [N, C, H, W] -> [C, N * H * W]
    flat = flat[flat.std(dim=1) > 1e-6]  # a dead channel correlates with nothing
    matrix = torch.corrcoef(flat).numpy()
    count = len(matrix)
    between = np.abs(matrix[~np.eye(count, dtype=bool)]).mean()
    eigenvalues = np.linalg.eigvalsh(matrix)
    return matrix, between, eigenvalues.sum() ** 2 / (eigenvalues**2).sum()


edges = [4, 8, 16, 32, 64]
print("size       network   channels   mean |correlation|   effective number")
measured = {name: [redundancy(maps) for maps in stage] for name, stage in stages.items()}
for level, edge in enumerate(edges):
    for name in stages:
        matrix, between, effective = measured[name][level]
        print(
            f"{edge:2d} x {edge:2d}    {name:8s} {len(matrix):8d} {between:16.2f} {effective:18.1f}"
        )

figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.1), width_ratios=[1, 1, 1.3])
for axis, name in zip(axes, stages, strict=False):
    shown = axis.imshow(np.abs(measured[name][-2][0]), vmin=0, vmax=1, cmap="viridis")
    axis.set(title=f"{name}, 32 x 32", xlabel="channel", ylabel="channel")
figure.colorbar(shown, ax=axes[1], label="|correlation|")
for name, marker in zip(stages, "os", strict=True):
    share = [effective / len(matrix) for matrix, _, effective in measured[name]]
    axes[2].plot(range(5), share, marker=marker, label=name)
axes[2].set_xticks(range(5), edges)
axes[2].set(ylim=(0, None), xlabel="edge in pixels", ylabel="effective / all channels")
axes[2].legend(frameon=False)
show(
    figure,
    "Two matrices of absolute channel correlations, of D-CNN and NbNet-B at 32 x 32 pixels, and "
    "a line chart of the effective share of channels at each size for both.",
)

# %% [markdown]
# With this pair the measurement does *not* show what the motive leads one to expect: the channels of
# NbNet-B are more alike than those of D-CNN. Before you conclude anything:
#
# - **Noise is unlike everything.** Look at the mosaic again: most channels of D-CNN are texture at the
#   scale of a pixel. Such channels correlate with nothing and count as "different"; that does not
#   make them useful.
# - **Both networks are young.** The cards say how many updates they had; the paper allows 400,000.
# - **It is one pair.** The paper's motive is an observation about its networks, not a theorem. Whether
#   it holds for yours has to be measured, as you just did.
#
# The same honesty about the attack itself, from the benchmark in the cards (chapter 04 explains it):

# %%
for name, decoder in decoders.items():
    measured = Result.from_dict(decoder.card["benchmark"])
    type1, type2 = (measured.get("tar", decoder.name, kind, 0.001) for kind in ("type1", "type2"))
    print(
        f"{name:8s} {decoder.card['config']['steps']} updates: TAR at FAR 0.1 %, "
        f"type-I {type1.value:.1%}, type-II {type2.value:.1%}"
    )

# %% [markdown]
# After so short a training the plain network is ahead. Architectures are compared at the end of
# training, with equal effort, or not at all.
#
# ## And the pictures?

# %%
show_n = 6
figure, axes = plt.subplots(3, show_n, figsize=(8.2, 4.3))
rows = {
    "original": images,
    **{name: ((p.permute(0, 2, 3, 1).numpy() + 1) / 2).clip(0, 1) for name, p in pictures.items()},
}
for row, (name, drawn) in enumerate(rows.items()):
    for column in range(show_n):
        axes[row, column].imshow(drawn[column])
        axes[row, column].set(xticks=[], yticks=[])
        axes[row, column].spines[:].set_visible(False)
    axes[row, 0].set_ylabel(name)
show(
    figure,
    "Six strangers in the top row; below, what D-CNN and NbNet-B draw from their templates "
    "alone: the same skin, hair and head shape, with pose and background lost.",
)

# %% [markdown]
# Both got 128 numbers and nothing else. Pose, light and background are not theirs to know: the
# encoder was trained to drop them. What remains is what identifies, which is the whole trouble, and
# the subject of the next chapter.
#
# ## What can go wrong
#
# - **A kernel that the stride does not divide** draws checkerboards before it learns anything else.
# - **Forgetting `dim=1`** in `torch.cat` joins images of the batch instead of channels.
# - **Batch norm in training mode at the attack.** Then a picture depends on the other templates of its
#   batch. Call `decoder.eval()` first; `reconstruct` of the library does.
# - **Counting parameters and calling it cost.** At 160 pixels the last block has 592 values, and
#   25,600 positions to apply them to.
# - **Comparing architectures trained with different effort.** The cards of the shipped decoders say
#   what each was trained with.
#
# ## For those who defend
#
# Note how little the attack needs to know: a decoder is an ordinary network of a few million values,
# and nothing in it depends on the inside of the recogniser. Hiding the encoder's architecture is no
# defence. What the decoder cannot draw is what is not in the template; making templates that hold
# less, or that are useless without a secret, is the defence that remains (chapter 04).
#
# ## Summary
#
# - A de-convolution stamps each input pixel, scaled, into the output; overlaps add.
# - Output edge = (size - 1) · stride + kernel - 2 · padding; 4x4 with stride 2 and padding 1 doubles.
# - D-CNN stacks de-convolutions: 4,432,304 values at 160 px.
# - NbNet lets neighbours of 8 channels refine half of the channels: B 3,411,472, A 2,289,040 values.
#
# Next: [04 Train NbNet and attack](04_train_and_attack.ipynb)
#
# ## References
#
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5), 2019. arXiv 1703.00832.
# - A. Odena, V. Dumoulin, C. Olah: Deconvolution and Checkerboard Artifacts. Distill, 2016.
# - V. Dumoulin, F. Visin: A guide to convolution arithmetic for deep learning. 2016. arXiv 1603.07285.
# - G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger: Densely Connected Convolutional Networks.
#   CVPR 2017.
# - G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter: Self-Normalizing Neural Networks (SELU).
#   NIPS 2017.
