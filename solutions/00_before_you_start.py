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
# # 00 Before you start
#
# **A face recognition system does not keep your picture, only 128 numbers. How much of your face is
# in them, who could get it out, and who may try?**

# %% [markdown]
# What you will learn
#
# - what this course builds: a face out of numbers that leaked;
# - whether your machine is ready, and how exercises, hints, quizzes and widgets work;
# - which attacker can do what: closed box and white box, access and likeness, type-I and type-II;
# - what the law says about biometric data, what you need before you test anything, and what this
#   course will not do.
#
# | | |
# |---|---|
# | Time | 40 minutes, of which the computer takes a few seconds |
# | You need | Python; no machine learning, no law |
# | Exercises | 0.1 ★ how much smaller is a template, 0.2 ★★ may I? |

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import matplotlib.pyplot as plt
import numpy as np

from nbnet_lib.course import check, explore, hint, quiz, show, start  # hint("0.1") helps  # noqa: F401

course = start(profile, seed, device)

# %% [markdown]
# ## The whole course in one cell
#
# Before any theory, the thing itself. Eight people are drawn by a program; **nobody in this course
# exists**. A recogniser turns the first picture of each into a template, 128 numbers. The template
# leaks. An attacker who has the template and nothing else of that person draws a face from it.
#
# Before you run the next cell: what do you expect to see in the third row? A blur that is the same
# for everybody, the same photograph, or something in between?

# %%
from nbnet_lib.attack import reconstruct
from nbnet_lib.decoders import load_decoder
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render_set, to_uint8

encoder = create_encoder("synth", device=course.device)
faces = render_set(range(8), samples=2, size=64)  # two pictures of each of eight people
leaked = encoder.embed(faces.images[0::2])  # [8, 64, 64, 3] -> [8, 128]; this is all that leaks
stolen = reconstruct(load_decoder("nbnet-b-64"), leaked)  # [8, 128] -> [8, 3, 64, 64]

# %% tags=["slide"]
again = encoder.embed(stolen)  # what the recogniser thinks of the reconstruction
other = encoder.embed(faces.images[1::2])  # another picture of the same people, [8, 128]
type_1, type_2 = (again * leaked).sum(1).tolist(), (again * other).sum(1).tolist()

figure, axes = plt.subplots(4, 8, figsize=(8.8, 4.7), height_ratios=[4, 1.6, 4, 4])
for i in range(8):
    axes[0, i].imshow(faces.images[2 * i])
    axes[1, i].bar(np.arange(128), leaked[i], width=1.0, color="C3")
    axes[1, i].set_ylim(-0.35, 0.35)
    axes[2, i].imshow(to_uint8(stolen)[i])
    axes[2, i].set_title(f"I: {type_1[i]:.2f}  II: {type_2[i]:.2f}", fontsize=8)
    axes[3, i].imshow(faces.images[2 * i + 1])
for row, name in enumerate(
    ["picture", "what leaks", "what the\nattacker\ndraws", "another\npicture"]
):
    axes[row, 0].set_ylabel(name, rotation=0, ha="right", va="center")
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
show(
    figure,
    "Eight synthetic people in columns: their picture, the 128 numbers of its template as bars, the "
    "face drawn from these numbers alone, and another picture of the same person.",
)

# %% [markdown]
# It is neither the photograph nor a blur: turn of the head, light and background are gone, and the
# *person* is there. The two numbers say what the recogniser thinks of it.
#
# - **Type-I**: the reconstruction against the very picture whose template leaked. This is what the door
#   compares that lost its database, as long as the leaked templates are in use.
# - **Type-II**: against another picture of the same person: at another door, or at the same one after a
#   new enrolment. This is the harder question.
#
# (The decoder is the strongest one that the course ships. It goes beyond the paper; chapter 10 says how.)
#
# The recogniser's own card names a threshold that lets one stranger in a thousand pass:

# %%
threshold = encoder.card["verification"]["far"]["0.001"]["threshold"]
print(f"threshold at a false accept rate of 0.1 %: {threshold:.2f}")
print(f"type-I accepted:  {sum(s >= threshold for s in type_1)} of 8")
print(f"type-II accepted: {sum(s >= threshold for s in type_2)} of 8")

# %% [markdown]
# Eight people prove nothing; chapter 02 says how many do, and chapter 10 measures it with intervals.
# Chapter 10 also asks what you should be asking now: does *another* recogniser agree, and would *you*
# recognise the person?

# %% [markdown] tags=["slide"]
# ## Is your machine ready?
#
# `nbnet doctor` on the command line looks at everything the course needs and says how to fix what
# is missing. Here it is from Python.

# %%
from nbnet_lib.doctor import examine

findings = examine()
for finding in findings:
    if finding.status != "ok":
        print(f"{finding.status}: {finding.name}: {finding.message}. {finding.fix}")
in_order = sum(finding.status == "ok" for finding in findings)
print(f"{in_order} of {len(findings)} things are in order")
failed = any(finding.status == "fail" for finding in findings)
print("fix what failed before you continue" if failed else "ready")

# %% [markdown]
# "warn" means that the course works, with patience or with care. "fail" means: fix it first.
#
# The first line that a chapter printed names the **profile**. It says how much to compute, never what:
#
# | profile | for | a live cell takes |
# |---|---|---|
# | `quick` | tests, or a first look | about a second |
# | `laptop` | you, with two cores and no GPU (the default) | up to a minute |
# | `gpu` | one accelerator | up to a minute, with more data |
# | `paper` | the scale of the publication | days, on a machine for it |
#
# Change it in the cell of parameters above, or for a whole session with `NBNET_PROFILE=quick`.
# Everything random comes from `seed`.

# %%
people = course.pick(quick=20, laptop=120, gpu=300)  # this is how a chapter asks
print(f"in the profile {course.profile!r} a chapter would take {people} people here")

# %% [markdown]
# ## How exercises work
#
# A cell with `# your code` waits for you. Run it, and `check` answers at once, in one of three ways:
#
# ```text
# [----] 0.1 not attempted yet (shrinkage returns None). Stuck? hint("0.1")
# [FAIL] shrinkage: expected 24, got 8: a picture has three colours, so three bytes a pixel
# [PASS] 0.1 how much smaller is a template: a template is far too small to hold the picture; it holds the person
# ```
#
# A `FAIL` has three parts: *what* was checked, *what was expected and what came*, and a guess at
# *why*. A check tests properties, not your wording: every correct way passes. Nothing breaks while an
# exercise is open or wrong, and the rest of the chapter goes on with the library's own version. So
# you may read a chapter to the end first, and you may take chapters in any order.
#
# `hint("0.1")` points the way; `hint("0.1", level=2)` nearly says it. The worked chapters with all
# outputs are in the folder `solutions`; look there last.

# %% [markdown]
# ### Exercise 0.1 ★ how much smaller is a template
#
# A picture of `side` x `side` pixels has three bytes for each pixel (red, green, blue). A template is
# `numbers` values of type float32, four bytes each. Return how many times smaller the template is.
#
# **Make a mistake on purpose first**: write `return side * side / (4 * numbers)`, run the cell, and
# read what `check` says. Then fix it.


# %%
def shrinkage(side, numbers):
    """Return the bytes of a picture [side, side, 3] divided by those of a template [numbers]."""
    ### BEGIN SOLUTION
    picture_bytes = side * side * 3
    template_bytes = numbers * 4
    return picture_bytes / template_bytes
    ### END SOLUTION


check("0.1", shrinkage)

# %% tags=["nbval-check-output"]
for what, side, numbers in [("this course", 64, 128), ("the paper", 160, 128)]:
    print(
        f"{what:12s} {side * side * 3:6,} bytes -> {numbers * 4} bytes, "
        f"{side * side * 3 / (numbers * 4):.0f} times smaller"
    )

# %% [markdown]
# Now you can say what is wrong with a sentence you will hear often: "The template is only 512 bytes,
# so the face cannot be in it." The *picture* is not in it. But an attacker does not need the wall
# behind you or the light of that afternoon. Of all faces there could be, 128 numbers leave very few.

# %% [markdown]
# ### What is kept of your answers
#
# What you pass is noted in a small file on this machine, and sent nowhere. `nbnet progress` on the
# command line shows it, `nbnet progress --reset` forgets it. At the end of each chapter is a quiz: click
# a letter, and it says why. Without a mouse: `quiz("00", "cabcaa")`, a letter for each question.
#
# Figures with sliders stand everywhere: `explore` draws a figure and redraws it when you move
# something. It answers to a hand, so it needs a running kernel; the picture you see without one is
# its first view. The next section has one.

# %% [markdown] tags=["slide"]
# ## Where can a system be attacked?
#
# A recognition system is a short chain. Each link can be attacked, and each kind of attack has its
# own trade, its own standards and its own defence.

# %% tags=["slide"]
boxes = {
    "camera": (0.6, 2),
    "cut out\nthe face": (2.4, 2),
    "encoder": (4.2, 2),
    "compare": (6.6, 2),
    "decision": (8.4, 2),
    "stored\ntemplates": (6.6, 0.4),
}
arrows = [(0.6, 2.4), (2.4, 4.2), (4.2, 6.6), (6.6, 8.4)]
points = [  # number, place of the text, place of the attack, text, part of this course?
    (1, (0.6, 2.95), (0.6, 2.3), "in front of the camera:\na print, a screen, a mask", False),
    (2, (1.5, 1.0), (1.5, 1.9), "a picture fed in\nbehind the camera", False),
    (3, (4.2, 2.95), (4.2, 2.3), "the encoder asked (closed box)\nor copied (white box)", True),
    (4, (5.3, 1.0), (5.4, 1.9), "a template\nread on its way", True),
    (5, (8.6, 0.4), (7.25, 0.4), "the database leaks\nor is written to", True),
    (6, (7.5, 2.95), (7.5, 2.1), "scores that\nsay too much", False),
]

figure, axis = plt.subplots(figsize=(8.8, 3.4))
for name, (x, y) in boxes.items():
    axis.text(x, y, name, ha="center", va="center", bbox={"boxstyle": "round", "fc": "#dce6f2"})
for left, right in arrows:
    axis.annotate("", (right - 0.55, 2), (left + 0.55, 2), arrowprops={"arrowstyle": "->"})
axis.annotate("", (6.6, 1.65), (6.6, 0.8), arrowprops={"arrowstyle": "->"})
axis.text(5.4, 2.16, "template", ha="center", fontsize=9)
for number, at, target, text, ours in points:
    look = {"color": "C3" if ours else "0.4", "fontweight": "bold" if ours else "normal"}
    line = {"arrowstyle": "-", "color": look["color"], "linestyle": ":"}
    middle = {"ha": "center", "va": "center", "fontsize": 8}
    axis.annotate(f"{number}: {text}", target, at, arrowprops=line, **middle, **look)
axis.set(xlim=(-0.6, 9.6), ylim=(0, 3.3))
axis.set_axis_off()
show(
    figure,
    "Chain of a recognition system from camera to decision, with six places of attack; those of "
    "this course are the encoder, the template on its way and the stored templates.",
)

# %% [markdown]
# This course stands at the bold red places, 3 to 5: **templates leak, and a face comes back**. What one
# then does with the face happens at 1 or 2. Detecting a print or a mask in front of the camera is
# *presentation attack detection*, with standards of its own (ISO/IEC 30107). It is not in this course,
# and a reconstruction that a recogniser accepts says nothing about whether a camera would be fooled.

# %% [markdown] tags=["slide"]
# ## A threat model in three questions
#
# "Is it secure?" has no answer until somebody says against whom.
#
# - **What does the attacker know?** Nothing of the inside, only answers: *closed box* (often: black
#   box). Or the weights of the network too: *white box*.
# - **What can the attacker do?** Read templates, send pictures of their own, see scores, write into
#   the database.
# - **What does the attacker want?** *Access*: the system accepts it. *Likeness*: a human knows the
#   face. *Traits*: age, beard, glasses. *Linking*: the same person in two databases.

# %% [markdown]
# Access and likeness are not the same. A pattern that looks like nobody can score high, and a good
# portrait can score low. Who protects a door fears the first, who protects a witness the second.
#
# The paper's attacker has a leaked template and may send the recogniser pictures of their own making.
# They know nothing of the target person and nothing of the inside of the network. Here are the attacks
# of this course with what each needs; every set in a list is one way to get there.

# %%
ATTACKS = [
    # attack, what it serves, ways to it (any one of them will do), where in the course
    ("hope to look like somebody", "access", [set()], "chapter 02"),
    ("read traits off the template", "traits", [{"template", "queries"}], "chapter 03"),
    ("find the person elsewhere", "linking", [{"template", "second leak"}], "chapters 01, 02"),
    ("draw the face, linear algebra", "access, likeness", [{"template", "queries"}], "chapter 04"),
    ("draw the face, NbNet", "access, likeness", [{"template", "queries"}], "chapters 05 to 10"),
    ("use that face at another system", "access", [{"template", "queries"}], "chapter 11"),
    ("follow the gradients", "access, likeness", [{"template", "weights"}], "named, not built"),
    ("climb by the scores", "access", [{"scores"}, {"template", "queries"}], "named, not built"),
    ("enrol a blend of two people", "access", [{"template", "write access"}], "chapter 01"),
]


def lacking(ways, has):
    """Return what is missing on the shortest way: an empty set where the attack is possible."""
    return min((way - has for way in ways), key=len)


# %% [markdown]
# Before you touch the boxes below: which *one* box, taken away from the paper's attacker, stops most
# of the list? And which attack stays when all of them are empty?

# %% tags=["subslide"]
NAMES = ["template", "queries", "scores", "weights", "second leak", "write access"]


def attacker(
    template=True,
    queries=True,
    scores=False,
    weights=False,
    second_leak=False,
    write_access=False,
    wants="anything",
):
    """Which attacks of the course are open to an attacker who has what is ticked."""
    ticked = [template, queries, scores, weights, second_leak, write_access]
    has = {name for name, tick in zip(NAMES, ticked, strict=True) if tick}
    if weights:
        has |= {"queries", "scores"}  # who owns the network can ask it anything
    figure, axis = plt.subplots(figsize=(8.8, 3.6))
    for row, (name, serves, ways, where) in enumerate(ATTACKS):
        missing, wanted = lacking(ways, has), wants == "anything" or wants in serves
        color = "0.75" if not wanted else "C3" if not missing else "0.35"
        state = "lacks " + " and ".join(sorted(missing)) if missing else "POSSIBLE"
        for x, text in zip((0, 3.3, 5.4, 8.0), (name, serves, state, where), strict=True):
            bold = "bold" if wanted and not missing else "normal"
            axis.text(x, -row, text, color=color, fontweight=bold, fontsize=9)
    kind = (
        "white box" if weights else "closed box" if has & {"queries", "scores"} else "no box at all"
    )
    axis.set_title(f"{kind}; has: {', '.join(sorted(has)) or 'nothing'}", loc="left")
    axis.set(xlim=(0, 10), ylim=(-len(ATTACKS) + 0.5, 0.9))
    axis.set_axis_off()
    return figure


explore(
    attacker,
    template=True,
    queries=True,
    scores=True,
    weights=True,
    second_leak=True,
    write_access=True,
    wants=["anything", "access", "likeness", "traits", "linking"],
)

# %% [markdown]
# Three things to see.
#
# - **Either of the two boxes will do.** Without the template only the first line stays; that is why templates
#   deserve the protection of photographs. Without queries it is the same line that stays: an encoder
#   that answers strangers is a gift.
# - **The white box adds little** to this list: chapter 10 shows what a closed box already yields.
# - **One attack needs nothing.** At a false accept rate of 0.1 % one stranger in a thousand passes, and
#   there are eight billion strangers. No template protection changes that.

# %% [markdown] tags=["slide"]
# ## Law, in plain words
#
# *This is an orientation by engineers, not legal advice. Laws change and differ; ask somebody who
# knows the law of your place before real data are touched.*
#
# The pattern is the same in most places: **face templates of real people are protected more strongly
# than ordinary data, and "it is only numbers" is no defence.**

# %% [markdown]
# | where | what it says, shortly | what it means here |
# |---|---|---|
# | EU, GDPR Art. 4(14) | *biometric data*: personal data from specific technical processing of physical or behavioural characteristics that allow or confirm the unique identification of a person | a face template made to recognise somebody is meant by this; a photograph lying in an album is not yet (recital 51) |
# | EU, GDPR Art. 9 | processing biometric data *to identify a person uniquely* is forbidden, unless one of the listed exceptions holds; explicit consent is one | no research with real templates on a whim; consent can be withdrawn, and is rarely free between employer and employee |
# | EU, GDPR Art. 33, 34, 35 | a breach is reported to the authority, where feasible within 72 hours, unless a risk to people is unlikely; the people are told where the risk for them is high; large-scale use needs an impact assessment | whether templates can be turned back into faces changes how high that risk is: this course measures it |
# | EU, AI Act (Regulation 2024/1689) | forbids among other things the untargeted scraping of face pictures for recognition databases, and deducing traits such as race or political opinion from biometric data; treats remote identification as high-risk, a one-to-one check of a claimed identity not | the same network can fall under different rules, by what it is used for. The duties start in stages; look up the present state |
# | Illinois, BIPA (740 ILCS 14) | private companies need notice and a written release *before* they take a scan of face geometry, and a public schedule for deletion; people can sue | damages of 1,000 or 5,000 US dollars; since August 2024 repeated scans of one person in the same way count once |

# %% [markdown] tags=["subslide"]
# ## The standards, and what each is for
#
# | standard | question |
# |---|---|
# | ISO/IEC 24745 | How is stored biometric information protected? *Irreversible*: no way back. *Unlinkable*: two databases cannot be matched. *Renewable*: a leaked template can be replaced |
# | ISO/IEC 30136 | How is a template protection scheme measured? |
# | ISO/IEC 19795-1 | How is recognition performance tested and reported? |
# | ISO/IEC 30107-3 | How are attacks in front of the camera tested? |
# | ISO/IEC 29147 | How is a vulnerability disclosed? |

# %% [markdown]
# Keep the three words of ISO/IEC 24745 in mind. A bare template has none of the three properties, and
# you can watch each of them fail: *irreversible* in the first figure above, *unlinkable* in chapter 01,
# *renewable* in a mirror.

# %% [markdown] tags=["slide"]
# ## Before you test anything
#
# 1. **Consent** of the people whose templates you touch: informed, free, in writing, revocable.
# 2. **Mandate** of the owner of the system: in writing, with scope, time and a contact.
# 3. **Least data**: as few people, as short, as local as the question allows. Synthetic where it works.
# 4. **Disclosure**: the owner hears first and gets time to fix it. Then the public, if at all.
#
# Consent and mandate do not replace each other.

# %% [markdown]
# ### Exercise 0.2 ★★ may I?
#
# Six situations. Give each one letter:
#
# - `G` go ahead;
# - `C` first the **consent** of the people concerned (or another legal ground that a data protection
#   officer confirms);
# - `M` first a written **mandate** of the owner of the system;
# - `B` **both** first;
# - `S` **stop**: do not use it; report it to whom it belongs.
#
# | | situation |
# |---|---|
# | a | For a lecture you reconstruct 100 faces of SynthFaces from their templates. |
# | b | On a server that anybody can open you find a file of a shop: face templates of its customers. Do the attacks of this course work on them? |
# | c | Your employer's door opens by face. Would it open for a reconstruction? 20 colleagues would lend their templates. |
# | d | You enrol your own face in an open-source recogniser on your own computer, and attack your own template. |
# | e | A company offers its recogniser as a service. You want to send it 10,000 drawn faces and train an attack on its answers. |
# | f | You want better training data, and take face pictures of real people from their public profiles. |

# %%
### BEGIN SOLUTION
verdict = {"a": "G", "b": "S", "c": "B", "d": "G", "e": "M", "f": "C"}
### END SOLUTION

check("0.2", verdict)  # a dict: {"a": ..., "b": ..., ...}

# %% [markdown]
# If one of them felt unfair, discuss it: real cases are fought over. Two remarks. Situation *b* is
# where good intentions go wrong most often: *looking* at found data may already be an offence; note
# where it lies, tell the owner or the authority, keep nothing. In *e* the terms of use may be the
# mandate, or forbid it; read them.

# %% [markdown] tags=["slide"]
# ## What this course will not do
#
# - **No real people.** No picture of one is shipped, downloaded or needed; the weights we ship are trained on
#   synthetic faces. What you bring is your responsibility.
# - **No commercial product.** An attack has to be trained against its target. The real recognisers of
#   chapter 11 are open ones (dlib; FaceNet is the paper's), and the faces are drawn.
# - **No way past a camera**: no masks, no screens, no liveness tricks.
# - **No statements about groups of people.** "Gender" and "ancestry" are switches of a graphics
#   program here.
# - **No numbers without their conditions.**

# %% [markdown]
# Then why teach an attack at all? Because the claim that templates cannot be turned back is still
# made, and decides what gets encrypted, what gets reported after a breach, and what a contract says.
# The attack was published in 2017. Who defends should be able to measure it.

# %% [markdown] tags=["slide"]
# ## The map of the course
#
# Twelve chapters, each stands alone: it starts from shipped weights within seconds. Choose who you
# are, and see which to take.

# %%
CHAPTERS = {
    0: "Before you start",
    1: "Faces into templates",
    2: "Verifying and identifying",
    3: "What a template gives away",
    4: "Back to pixels, the linear way",
    5: "De-convolution from the inside",
    6: "The neighbourly network",
    7: "What should the loss see?",
    8: "Faces without people",
    9: "Training NbNet in full",
    10: "Is it the same person?",
    11: "Real systems",
}
PATHS = {
    "everything, in order": set(range(12)),
    "one day: the whole attack": {0, 1, 2, 4, 6, 10},
    "half a day: what leaks?": {0, 1, 3, 10},
    "I build recognition systems": {0, 1, 2, 3, 10, 11},
    "I audit or test them": {0, 2, 3, 4, 10, 11},
    "I answer for data protection": {0, 1, 3, 11},
    "I study neural networks": {0, 1, 4, 5, 6, 7, 8, 9, 10},
}

# %% tags=["subslide"]
PARTS = [("measure", (0, 1, 2, 3), "C0"), ("build", (4, 5, 6), "C2"),
         ("train", (7, 8, 9), "C1"), ("judge", (10, 11), "C3")]  # fmt: skip


def course_map(who="everything, in order"):
    """The twelve chapters in four parts, with those for the chosen reader in colour."""
    figure, axis = plt.subplots(figsize=(8.8, 3.2))
    for column, (part, numbers, color) in enumerate(PARTS):
        axis.text(column, 0.7, part, ha="center", color=color, fontweight="bold")
        for row, number in enumerate(numbers):
            taken = number in PATHS[who]
            box = {"boxstyle": "round", "fc": color if taken else "white", "ec": "0.7"}
            axis.text(
                column,
                -row,
                f"{number:02d} {CHAPTERS[number]}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if taken else "0.6",
                bbox=box | {"alpha": 0.9},
            )
    axis.set(xlim=(-0.55, 3.55), ylim=(-3.5, 1))
    axis.set_title(f"{who}: {len(PATHS[who])} chapters", loc="left")
    axis.set_axis_off()
    return figure


explore(course_map, who=list(PATHS))

# %% [markdown]
# Most chapters take 70 to 90 minutes with their exercises. You need Python and numpy everywhere; from
# chapter 04 on a little linear algebra, from chapter 05 on it helps to have met a neural network.
# Stars say how hard: ★ a line or two, ★★ some thought, ★★★ a small program. Tasks under "Stretch" have
# no check; each says how you see that it worked.

# %% [markdown]
# ## What can go wrong
#
# - **"It runs, so it is right."** An unfinished exercise does not stop a chapter; look for `[----]` and
#   `[FAIL]`, or ask `nbnet progress`.
# - **Cells run out of order.** When something is strange: Kernel, Restart and Run All.
# - **The wrong kernel.** `import nbnet_lib` fails, or the doctor names another Python: choose the kernel
#   of the environment in which you installed the course.
# - **Sliders that do not move.** Widgets need a running kernel; a page on the web shows the first view.
# - **A threat model left out.** "The templates are safe" and "the templates can be turned back" can both
#   be true, for different attackers. Ask for the attacker before you argue.
# - **Taking the profile `quick` for a result.** It computes with so few people that its numbers mean
#   nothing.

# %% [markdown] tags=["slide"]
# ## For those who defend
#
# Start your own file on the system you care for, one page. Five lines are enough today:
# who could read its templates; who could send pictures to its encoder and see what comes back; whether
# it shows scores; what an attacker would want from it; what would happen on the day after a leak.
# Chapter 11 asks for this page again, as the first part of a vulnerability report.

# %% [markdown]
# ## Stretch
#
# - ★★ Add an attack of your own to `ATTACKS`, with what it needs. It worked if the explorer shows it,
#   and if another reader cannot name a cheaper way that your list lacks.
# - ★★ Find three statements on the web that biometric templates "cannot be reversed". For each, write
#   which attacker it silently assumes. It worked if each statement becomes true once the assumption is
#   written beside it, or if you can say why none would do.
# - ★★★ Look up how a face template is treated where you live: which law, which authority, which
#   deadline after a breach. It worked if you can name the article, and it was in force last month.
# - ★★★ Replace `range(8)` in the first cell by other people (any numbers up to 9,999) until you find a
#   reconstruction that the recogniser accepts and you would not, and one the other way round. It worked
#   if a friend agrees.

# %% [markdown]
# ## Quiz

# %%
quiz("00")

# %% [markdown] tags=["slide"]
# ## Summary
#
# - A template is some hundred numbers: too few for a picture, enough for a person.
# - A claim about security needs an attacker: what they know, can do and want.
# - Closed box: only answers. White box: the weights. The paper's attacker has a closed box.
# - Type-I compares with the picture that leaked, type-II with another picture of the same person.
# - Templates of real people are biometric data. Consent of the people, mandate of the owner, least
#   data, disclosure.

# %% [markdown]
# Next: [01 Faces into templates](01_faces_into_templates.ipynb)
#
# ## References
#
# - G. Mai, K. Cao, P. C. Yuen, A. K. Jain: On the Reconstruction of Face Images from Deep Face
#   Templates. IEEE TPAMI 41(5), 2019. arXiv 1703.00832.
# - N. K. Ratha, J. H. Connell, R. M. Bolle: Enhancing Security and Privacy in Biometrics-based
#   Authentication Systems. IBM Systems Journal 40(3), 2001 (the chain with its places of attack).
# - Regulation (EU) 2016/679 (GDPR), articles 4(14), 9, 33 to 35, recital 51.
# - Regulation (EU) 2024/1689 (AI Act), article 5 and annex III, point 1.
# - Biometric Information Privacy Act, 740 ILCS 14, as amended by Public Act 103-0769 (2024).
# - ISO/IEC 24745:2022 Biometric information protection. ISO/IEC 30136:2018 Performance testing of
#   biometric template protection schemes. ISO/IEC 19795-1:2021 Biometric performance testing and
#   reporting. ISO/IEC 30107-3:2023 Presentation attack detection. ISO/IEC 29147:2018 Vulnerability
#   disclosure.
