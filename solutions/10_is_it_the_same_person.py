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
# # 04 Train NbNet and attack
#
# **A database of templates leaks. There are no pictures in it. Can whoever finds it get past the gate,
# and what should its owner have done?**
#
# What you will learn
#
# - the threat model: what the attacker knows, and the little that is needed;
# - the algorithm of Mai et al.: make pairs, train a decoder, decode the leak;
# - how success is measured, *type-I* and *type-II*, at a fixed FAR, with intervals, and by a judge
#   that the attack was not made for;
# - what helps a defender and what does not; and how to read numbers that others quote.
#
# | | |
# |---|---|
# | Time | 60 minutes, of which the computer takes one to two |
# | You need | chapters 01 to 03 |
# | Exercises | 4.1 ★ pixel loss, 4.2 ★★ training step, 4.3 ★★★ attack scores, 4.4 ★ reading sources |
#
# Stuck? `hint("10.1")`, then `hint("10.1", level=2)`.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import torch

from nbnet_lib import evaluate
from nbnet_lib.course.check import check
from nbnet_lib.course.explore import explore, show
from nbnet_lib.course.hints import hint  # for you: hint("10.1")  # noqa: F401
from nbnet_lib.course.profile import start

course = start(profile, seed, device)

# %% [markdown]
# ## The threat model
#
# | the attacker has | the attacker has not |
# |---|---|
# | leaked templates | any picture of the victims, or their names |
# | a recogniser of the same kind, as a **closed box**: picture in, template out | its weights, its gradients, its training data |
# | any number of pictures of *other* faces, drawn or generated | a picture of the people in the database |
#
# The closed box is no luxury: it is what a product, an app or a web service offers. The attack asks it
# for templates of pictures of the attacker's own making. That is the only contact.
#
# The purpose of this chapter is the defender's: *how much is a leak worth?* All faces are SynthFaces;
# the recogniser is the course's own. Trying this on a system or on templates without the consent of
# owner and people is a crime in many countries, and is not needed to learn anything.
#
# ## Step 1: pairs
#
# Draw faces, ask the closed box. Identities from 10,000 on are for training, the victims come from
# 0 to 9,999: the decoder never sees a victim, and the library refuses to mix them up.

# %%
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render_set

encoder = create_encoder("synth", device=course.device)  # the closed box
n_train = course.pick(quick=20, laptop=200, gpu=2000)
pairs = render_set(range(10_000, 10_000 + n_train), samples=4)
pair_templates = encoder.embed(pairs.images)  # [N, 64, 64, 3] -> [N, 128]
print(f"{len(pairs):,} pairs (template, picture) of {n_train} people")

# %% [markdown]
# ## Step 2: a loss
#
# The decoder draws a picture from a template; the loss says how far it is from the picture that the
# template came from. The simplest is the **pixel loss**, the mean absolute difference of all colour
# values. (The paper also trains with a *perceptual* loss, which compares features of another network;
# the strong decoder below is trained with one as well.)
#
# ### Exercise 10.1 ★ pixel loss


# %%
def pixel_loss(output, target):
    """Return the mean absolute difference of two image tensors [N, 3, H, W], as a tensor."""
    ### BEGIN SOLUTION
    return (output - target).abs().mean()
    ### END SOLUTION


check("10.1", pixel_loss)

# %% [markdown]
# ### Exercise 10.2 ★★ one training step
#
# Decode a batch, measure, and let the optimiser improve the decoder once. Return the loss as a float.


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


check("10.2", training_step)

# %% [markdown]
# ## Step 3: train, live
#
# The library's loop does what your step does, with the device, the learning rate and the batches taken
# care of. It gets about a minute here, on a few hundred faces. The paper's schedule allows up to
# 400,000 batches. Expect a ghost, not a face. (On a machine that never trained NbNet before,
# the first step waits some seconds while the network's kernels are compiled; they are kept.)

# %%
from nbnet_lib.attack import TrainConfig, reconstruct, train_decoder
from nbnet_lib.decoders import create_decoder, load_decoder

torch.manual_seed(seed)
# Half as wide as the shipped decoder, so that a minute is worth something.
live = create_decoder("nbnet-b", template_dim=128, image_size=64, base_channels=128)
config = TrainConfig(
    steps=course.pick(quick=4, laptop=150, gpu=3000),
    batch_size=course.pick(quick=16, laptop=64),
    lr=2e-3,
    schedule="onecycle",
    seed=seed,
    log_every=course.pick(quick=1, laptop=5, gpu=50),
)
began = time.perf_counter()
history = train_decoder(
    live,
    pairs.images,
    pair_templates,
    config,
    identities=pairs.identities,
    device="cpu" if course.device == "cpu" else "auto",
)
print(
    f"{config.steps} steps of {config.batch_size} pairs in {time.perf_counter() - began:.0f} s: "
    f"loss {history[0]['loss']:.3f} -> {history[-1]['loss']:.3f}"
)

# %% [markdown]
# ## Step 4: decode the leak
#
# The victims: identities from 0 on, six pictures each (four in `quick`). Their templates leak; the
# decoder draws. Beside our minute of training stand two decoders that the course ships:
#
# - **pixel**: the pixel loss, as you did it, on 20,000 pairs (the paper's first loss);
# - **strong**: *our extension beyond the paper*, with three changes. (1) The decoder learns to draw the
#   *portrait* of the person, frontal and evenly lit, whatever the picture was like: the attacker drew
#   the training people and knows what they look like. Pose and light need not be guessed any more, and
#   what has to be guessed comes out as blur. (2) Beside the pixels, the *features* of a public network are
#   compared (the perceptual loss). (3) The attacker first trains a network of its own, the
#   *surrogate*, to imitate the closed box, from the very same pairs and without another query, and then
#   asks that the imitation read the right template from the reconstruction, moved and blurred at
#   random so that no fine pattern can fool it:
#
# ```text
# loss = pixel + 0.5 perceptual + w (1 - cos(surrogate(disturbed(decoder(t))), t))
# ```
#
# The box itself stays closed: gradients flow through the imitation only. The cards say what went in:

# %%
n_victims = course.pick(quick=20, laptop=120, gpu=300)
n_samples = course.pick(quick=4, laptop=6)
victims = render_set(range(n_victims), samples=n_samples)
leaked = encoder.embed(victims.images)  # this is what leaks: [N, 128]

shipped = {
    "pixel": load_decoder("nbnet-b-64-pixel", device=course.device),
    "strong": load_decoder("nbnet-b-64", device=course.device),
}
for name, decoder in shipped.items():
    config = decoder.card["config"]
    print(f"{name}: {decoder.card['data']}, seed {decoder.card['seed']}")
    print(f"  {config['steps']} steps of {config['batch_size']}, w = {config['template_weight']}")
    print(f"  {decoder.card['command']}")

# %%
drawn = {
    "trained just now": reconstruct(live, leaked),  # [N, 128] -> [N, 3, 64, 64]
    **{name: reconstruct(decoder, leaked) for name, decoder in shipped.items()},
}


def as_picture(tensor):
    """Turn one image tensor [3, H, W] in [-1, 1] into an array [H, W, 3] in [0, 1]."""
    return ((tensor.permute(1, 2, 0).numpy() + 1) / 2).clip(0, 1)


def sheet(columns=6):
    """One row of victims, one row for each decoder."""
    people = range(0, columns * n_samples, n_samples)  # sample 0 of each
    rows = [[victims.images[i] / 255 for i in people]]
    rows += [[as_picture(pictures[i]) for i in people] for pictures in drawn.values()]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.3), width_ratios=[1, 2])
axes[0].plot([h["step"] for h in history], [h["loss"] for h in history])
axes[0].set(xlabel="step", ylabel="pixel loss", title="training, live", ylim=(0, None))
axes[1].imshow(sheet())
axes[1].set(yticks=[32, 96, 160, 224], yticklabels=["victim", "just now", *shipped], xticks=[])
axes[1].spines[:].set_visible(False)
axes[1].tick_params(length=0)
show(
    figure,
    "Left: the pixel loss falls during the live training. Right: six victims in the first row, "
    "what the decoder trained just now draws of them in the second, the shipped decoders trained with "
    "the pixel loss and with the strong recipe in the third and fourth.",
)

# %% [markdown]
# ## Does it open the gate?
#
# Pictures impress people. The gate wants a score. Send every reconstruction through the encoder and
# compare it
#
# - **type-I**: with the template of the very picture that leaked (the attacker shows it to the system
#   from which the template was taken);
# - **type-II**: with another picture of the same person (another system, another day).
#
# The threshold is set on comparisons of *original* pictures of different people at the stated FAR,
# exactly as in chapter 02; the system knows nothing of the attack.
#
# ### Exercise 10.3 ★★★ attack scores
#
# Rows of `originals` and `rebuilt` are templates of length 1; row i of `rebuilt` is the template of
# the reconstruction made from row i of `originals`. Return the type-I scores and the type-II scores.


# %%
def attack_scores(originals, rebuilt, identities):
    """Return (type1 [N], type2 [M]) for arrays originals [N, d], rebuilt [N, d], identities [N]."""
    ### BEGIN SOLUTION
    scores = rebuilt @ originals.T  # entry (i, j): reconstruction i against original j
    same = identities[:, None] == identities[None, :]
    itself = np.eye(len(identities), dtype=bool)
    return scores[itself], scores[same & ~itself]
    ### END SOLUTION


check("10.3", attack_scores)

# %% tags=["nbval-check-output"]
for people in [120, 300]:
    print(
        f"{people} victims x 6: {people * 6:5,} type-I and {people * 6 * 5:5,} type-II comparisons"
    )

# %%
results, rebuilt = {}, {}
for name, pictures in drawn.items():
    rebuilt[name] = encoder.embed(pictures)  # the closed box again: [N, 3, 64, 64] -> [N, 128]
    results[name] = evaluate.evaluate_attack(
        leaked, victims.identities, rebuilt[name], fars=(0.01, 0.001), decoder=name
    )
result = results["strong"]
print(
    f"{n_victims} victims x {n_samples} pictures"
    + ("" if n_victims >= 300 else " (the benchmark has 300 victims)")
)
for name, attack in results.items():
    print()
    print(f"decoder {name}: share accepted [95 % interval over people]")
    print(attack.table().to_string())

# %% [markdown]
# The row *original* is what honest users get: another picture of oneself. Keep it in view. Type-II can
# hardly beat it. Type-I can: the reconstruction is compared with the very template that it was made
# from, an honest user never is.
#
# The figures below are about the stronger decoder, *strong*. First a doubt about it.
#
# ## Is it a face, or a pattern?
#
# The strong decoder was trained to please an imitation of the box. Networks can be pleased by textures
# that no eye would notice: then the gate opens, and the picture shows nobody. **Score and likeness are
# two things.** So ask a *judge*: a recogniser of another architecture, trained on other people, that
# took no part in any of this. It gets its own templates, and its own thresholds from its own originals.

# %%
judge = create_encoder("synth-mobile", device=course.device)
judged = judge.embed(victims.images)  # the judge's own view of the victims: [N, 128]
print("TAR at FAR 0.1 %     target, type-I  type-II     judge, type-I  type-II")
for name, pictures in drawn.items():
    verdict = evaluate.evaluate_attack(
        judged, victims.identities, judge.embed(pictures), fars=(0.01, 0.001), decoder=name
    )
    ours, theirs = (e.rates[0.001] for e in (results[name], verdict))
    print(
        f"{name:18s} {ours['type1'].tar:13.1%} {ours['type2'].tar:10.1%}"
        f" {theirs['type1'].tar:17.1%} {theirs['type2'].tar:8.1%}"
    )

# %% [markdown]
# What both accept looks like the person to a recogniser for which it was not made. What only the target
# accepts *may* be a pattern for its one network. It need not be: the judge is stricter with honest users
# as well (`nbnet encoder test --encoder synth-mobile`), so some gap is to be expected. `nbnet evaluate`
# prints the gap with its interval, and beside it the gap of the original pictures.

# %%
axis = evaluate.score_histogram(result.scores, result.thresholds)
show(
    axis.figure,
    "Score histograms of impostors, genuine comparisons, and type-I and type-II attacks with "
    "the strong decoder, with the thresholds at FAR 1 % and 0.1 %: type-I lies right of the genuine "
    "comparisons, type-II among them.",
)

# %%
axis = evaluate.roc_plot(
    {name: result.scores[name] for name in ("genuine", "type1", "type2")}, result.scores["impostor"]
)
show(
    axis.figure,
    "ROC curves with a logarithmic FAR axis: type-I on top, then genuine comparisons, type-II below.",
)

# %% [markdown]
# ## Best, median, worst
#
# Papers like to show their best pictures. Here the *scores* choose: the best, the most average and the
# worst reconstructions by type-I score.

# %%
figure = evaluate.reconstruction_strip(
    victims.images,
    drawn["strong"],
    result.scores["type1"],
    each=course.pick(quick=3, laptop=4),
    threshold=result.thresholds[0.001],
)
show(
    figure,
    "Three groups of originals above their reconstructions: the best, the median and the worst by "
    "type-I score; scores above the threshold at FAR 0.1 % are printed bold.",
)

# %% [markdown]
# ## Look at single victims
#
# The score beside each picture is against the template that leaked (type-I); the last column is
# another picture of the victim (type-II). Find one where you would say "that is not the same person"
# and the gate says yes, and one the other way round. The gate decides.


# %%
def victim(person=0, sample=0, other_sample=1):
    """A victim's picture, the reconstruction from its template, and another picture of the victim."""
    i, j = person * n_samples + sample, person * n_samples + other_sample
    vectors = {"reconstruction": rebuilt["strong"][i], "another picture": leaked[j]}
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.9))
    axes[0].imshow(victims.images[i])
    axes[0].set_title(f"victim {person}, sample {sample}")
    axes[1].imshow(as_picture(drawn["strong"][i]))
    axes[1].set_title("drawn from 128 numbers")
    axes[2].imshow(victims.images[j])
    axes[2].set_title(f"victim {person}, sample {other_sample}")
    type1 = float(vectors["reconstruction"] @ leaked[i])
    type2 = float(vectors["reconstruction"] @ vectors["another picture"])
    threshold = result.thresholds[0.001]
    verdict = {True: "accepted", False: "refused"}
    axes[0].set_xlabel(f"type-I {type1:.2f}: {verdict[type1 > threshold]}")
    axes[1].set_xlabel(f"threshold {threshold:.2f} (FAR 0.1 %)")
    axes[2].set_xlabel(f"type-II {type2:.2f}: {verdict[type2 > threshold]}")
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


explore(
    victim, person=(0, n_victims - 1), sample=(0, n_samples - 1), other_sample=(0, n_samples - 1)
)
# %% [markdown]
# ## Beside the paper
#
# What Mai et al. report in the abstract of their paper (v4, 2018), and of its first version (v1, 2017),
# is confirmed; we read nothing more into it:
#
# | data | setting | value |
# |---|---|---|
# | LFW | type-I, TAR at FAR 0.1 % | 95.20 % |
# | LFW | type-II, TAR at FAR 0.1 % | 58.05 % |
# | color FERET | template of partition fa, gallery fa, rank-1 | 96.58 % |
# | color FERET | template of partition fb, gallery fa, rank-1 | 92.84 % |
# | LFW, arXiv v1 (D-CNN only, three reconstructions per target) | type-I / type-II at FAR 0.1 % | 85.48 % / 14.71 % |
#
# Put our numbers beside them and resist comparing: *their* pictures are photographs of real people,
# *their* recogniser is FaceNet, *their* decoder draws 160 pixels and was trained with other losses, and
# portraits and surrogate are not theirs. What can be compared is the pattern: type-I above type-II, and both far
# above the FAR that the owner of the gate believes in.

# %%
print("TAR at FAR 0.1 %            type-I     type-II")
for name, attack in results.items():
    rates = attack.rates[0.001]
    print(f"here, {name:18s} {rates['type1'].tar:9.1%} {rates['type2'].tar:11.1%}")
print("paper, LFW, FaceNet          95.20%      58.05%   (other data, other recogniser)")

# %% [markdown]
# ### Exercise 10.4 ★ reading sources
#
# Numbers travel, and lose their source on the way. All six statements below can be met in one form or
# another. Which of them does the box above confirm, *with its condition*? (With a network connection,
# read the abstract yourself: arXiv 1703.00832.)
#
# - **A** On LFW, type-II attacks reach a TAR of 58.05 % at a FAR of 0.1 %.
# - **B** The reconstructions reach 83.7 % (p < .001).
# - **C** With templates of partition fa of color FERET and fa as gallery, the rank-one rate is 96.58 %.
# - **D** On MOBIO the success attack rate (SAR) is 99.67 %.
# - **E** The first version of the paper (v1) gave 85.48 % for type-I and 14.71 % for type-II on LFW, at a FAR of 0.1 %.
# - **F** On LFW, type-I attacks reach a TAR of 95.20 % at a FAR of 1 %.

# %%
### BEGIN SOLUTION
confirmed = {"A": True, "B": False, "C": True, "D": False, "E": True, "F": False}
### END SOLUTION
check("10.4", confirmed)

# %% [markdown]
# (To answer, write a dict with True or False for each letter: `{"A": True, ...}`.) B and D do
# circulate in public; neither is in the abstract, and we could not confirm either. F has the right
# number and the wrong condition, which is as wrong as a wrong number.
#
# ## What can go wrong
#
# - **Victims in the training data.** Then the attack remembers instead of reconstructing. Here identity
#   numbers keep them apart, and the library checks.
# - **A threshold set on reconstructions.** The system does not know of the attack; its threshold comes
#   from originals.
# - **Judging by eye.** Sharp pictures may score low and blurred ones high.
# - **One decoder, one verdict.** "The attack fails" may only mean that it was trained for a minute, or
#   with a weak loss: our three decoders are of one family. Report what was spent, and on what.
# - **Calling it the paper's.** The *strong* row is an extension of this course. Whoever quotes it
#   quotes us, on synthetic faces.
# - **No interval.** With few victims the intervals above are wide; look at them before the numbers.
# - **The mean face.** A decoder that draws the same average face for everybody has a fair pixel loss
#   and opens no gate. The live decoder is not far from it.
#
# ## For those who defend
#
# - **Count templates as pictures.** Whoever holds them holds faces good enough for the gate. Store as
#   few as possible, encrypted, apart from names; log access.
# - **Close the box.** The attack needs pairs. Authenticate and limit queries, return decisions and not
#   templates, return no raw scores: it does not stop the attack, it makes it slow and visible.
# - **Set the FAR from the harm.** Compare the columns for 1 % and 0.1 %: a stricter threshold costs the
#   attacker more than the honest user, up to a point. See the row *original* for where that point is.
# - **Make templates revocable.** A password can be changed, a face cannot. *Template protection*
#   (ISO/IEC 24745) stores something else: a transform with a secret key (cancelable biometrics), or a
#   template that is compared under encryption. With a key that does not leak along with the templates,
#   the decoder above has nothing to work on; with a key that does, measure again.
# - **Check for life.** A reconstruction has to get in front of the camera. Presentation attack
#   detection is another lock; it does not help where pictures are uploaded.
# - **Limits of this measurement.** One encoder, a judge that is its near relation, one kind of synthetic
#   face. dlib, which learned from photographs, accepts few of these pictures
#   (`guides/how_strong_is_the_attack.md`). A real audit
#   repeats it with the real recogniser, on pictures of consenting people or synthetic ones, and says
#   so. The number on your system is yours to measure, not ours to claim.
#
# ## Summary
#
# - The attack: draw faces, ask the closed box for templates, minimise the pixel loss of the decoder.
# - Type-I compares with the picture that leaked, type-II with another; the threshold is the system's.
# - A minute of training gives a ghost; a better target to draw and a surrogate open the gate for nearly
#   every victim.
# - A high score is not a likeness: let a recogniser judge that took no part.
# - Defence starts by treating templates as what they are: faces.
#
# The long training as a command: `nbnet train --list-recipes`. The table of this chapter on the full
# benchmark, judge included: `nbnet evaluate`. All networks and losses at equal cost:
# `guides/how_strong_is_the_attack.md`.
#
# ## References
#
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5):1188-1202, 2019. DOI 10.1109/TPAMI.2018.2827389, arXiv 1703.00832.
# - G. Hinton, O. Vinyals, J. Dean: Distilling the Knowledge in a Neural Network. arXiv 1503.02531, 2015.
# - D. P. Kingma, J. Ba: Adam: A Method for Stochastic Optimization. ICLR 2015.
# - ISO/IEC 24745: Biometric information protection. 2022.
# - ISO/IEC 30107-1: Biometric presentation attack detection, framework. 2023.
