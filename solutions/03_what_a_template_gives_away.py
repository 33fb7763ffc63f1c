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
# # 03 What a template gives away
#
# **A template was made for one question: is it the same person? Nobody asked the encoder about age, a
# beard or the light in the room. What can be read from its numbers all the same, what cannot, and how do
# we know that we read what we think we read?**

# %% [markdown]
# What you will learn
#
# - to train an attribute *probe*, and the two ways in which such a test fools its author;
# - what to compare a hit rate with: chance levels, intervals, shuffles between people;
# - that a probe for X may be reading Y, and two ways to find out: matched data, and changing *one*
#   parameter with all else fixed;
# - what is and what is not in this encoder's templates, measured, and what follows for law and defence.
#
# | | |
# |---|---|
# | Time | 80 minutes, of which the computer takes about one |
# | You need | chapters 01 and 02 (templates, intervals over people); no machine learning |
# | Exercises | 3.1 ★★ split, 3.2 ★ chance level, 3.3 ★★★ shuffle, 3.4 ★★ matched people |
#
# Stuck? `hint("3.1")`, then `hint("3.1", level=2)`.

# %% tags=["parameters"]
profile = "auto"  # "quick", "laptop", "gpu" or "paper"; "auto" reads NBNET_PROFILE, else "laptop"
seed = 7
device = "auto"

# %%
import matplotlib.pyplot as plt
import numpy as np

from nbnet_lib.course import check, explore, hint, quiz, show, start  # hint("3.1") helps  # noqa: F401

course = start(profile, seed, device)

# %% [markdown]
# ## Ground truth, and what it is not
#
# To say what a template knows one needs the truth about the picture. For photographs people guess it,
# and their guesses are part of the result. SynthFaces knows it: every picture is drawn from about 340
# parameters, and `table` gives them back.
#
# They are **parameters of a graphics model, not facts about people.** "male" below means: this head was
# drawn from the mesh that MakeHuman's modellers called male, with the hair, brows, beards and make-up
# that our program draws with it. There is nobody here to have a gender, an age or an ancestry. What we
# find is true of this encoder and these drawings. The *method* carries over to photographs, the numbers
# do not.

# %% tags=["nbval-check-output"]
from nbnet_lib.faces import describe

names = ["gender_axis", "age_years", "greyness", "melanin", "weight", "yaw_deg", "wears_glasses"]
for name in names:
    row = describe().loc[name]
    print(f"{name:14s} of the {row['of']:8s} {row['allowed']:36s} {row['meaning']}")

# %% [markdown]
# The attacker of this chapter holds a leaked list of templates and may ask the encoder about pictures
# of their own. So they draw people (20,000 and up), ask for the templates, and train a probe. The
# victims are others: people of the evaluation range, whom no probe has seen. (The first drawing takes
# about a minute; the pictures are kept for this and other chapters.)

# %%
from nbnet_lib.encoders import create_encoder
from nbnet_lib.faces import render, render_set, table

encoder = create_encoder("synth", device=course.device)
n_train = course.pick(quick=60, laptop=1000)
n_test, n_samples = course.pick(quick=(20, 4), laptop=(300, 6))


def collect(people, samples):
    """Return templates [N, 128] and the table of what was drawn, N rows."""
    faces = render_set(people, samples=samples)
    return encoder.embed(faces.images).numpy(), table(people, samples=samples)


x_train, drawn_train = collect(range(20_000, 20_000 + n_train), course.pick(quick=4, laptop=5))
x_test, drawn_test = collect(range(n_test), n_samples)
who_train, who_test = (t["identity"].to_numpy() for t in (drawn_train, drawn_test))
print("attacker's own:", x_train.shape, " victims:", x_test.shape)

# %% [markdown]
# ## What does a recogniser look at?
#
# Before we read templates: what of a picture goes into them at all? A good result in the tests of
# chapter 02 does not say. An experiment does: **change one thing, hold the rest.**
#
# A gate knows its people from pictures in colour. One day it gets a camera that sees brightness
# only: the same people, the same pictures, the same threshold, in grey. Two recognisers take turns:
# `synth`, and `synth-colour`, an earlier one of this course, with the very same architecture but another
# training. **Before you run it:** both do well in colour. How many genuine comparisons does each accept
# in grey?

# %% tags=["slide"]
from nbnet_lib import evaluate

in_colour = render_set(range(course.pick(quick=20, laptop=100)), samples=n_samples).images
grey = np.rint(in_colour @ [0.299, 0.587, 0.114]).astype(np.uint8)  # brightness, [N, 64, 64]
cameras = {"in colour": in_colour, "in grey": np.repeat(grey[..., None], 3, axis=-1)}
people = who_test[: len(in_colour)]
same = people[:, None] == people
itself = np.eye(len(people), dtype=bool)

figure, axes = plt.subplots(2, 3, figsize=(8.8, 4.4), width_ratios=[1.1, 1, 1])
for row, (kind, images) in enumerate(cameras.items()):
    six = images[::n_samples][:6]
    axes[row, 0].imshow(np.vstack([np.hstack(six[:3]), np.hstack(six[3:])]))
    axes[row, 0].set_title(f"at the gate: {kind}", fontsize=10)
    axes[row, 0].set_axis_off()
for column, name in enumerate(["synth-colour", "synth"], start=1):
    recogniser = create_encoder(name, device=course.device)
    enrolled = recogniser.embed(in_colour).numpy()
    for axis, (kind, images) in zip(axes[:, column], cameras.items(), strict=True):
        scores = enrolled @ recogniser.embed(images).numpy().T
        genuine, impostor = scores[same & ~itself], scores[~same]
        if kind == "in colour":
            threshold = evaluate.threshold_at_far(impostor, 0.001)
        accepted = np.mean(genuine >= threshold)
        print(f"{name:13s}{kind:10s} accepted: {accepted:6.1%} genuine, ", end="")
        print(f"{np.mean(impostor >= threshold):.2%} impostor comparisons")
        bins = np.linspace(-0.6, 1, 65)
        axis.hist(impostor, bins, density=True, color="C3", alpha=0.6, label="impostor")
        axis.hist(genuine, bins, density=True, color="C0", alpha=0.6, label="genuine")
        axis.axvline(threshold, color="black", linestyle="--", linewidth=1)
        axis.set_title(f"{name}: {accepted:.0%} accepted", fontsize=10)
        axis.set_yticks([])
axes[1, 1].set_xlabel("score against the pictures in colour")
axes[1, 2].set_xlabel("score")
axes[0, 1].legend(frameon=False, fontsize=8, loc="upper left")
figure.tight_layout()
show(
    figure,
    "Six faces in colour and the same in grey, and histograms of genuine and impostor scores of two "
    "recognisers. In colour both keep genuine and impostor apart. In grey the genuine scores of "
    "synth-colour fall below the threshold, in among the impostors'; those of synth stay where they were.",
)

# %% [markdown]
# Take away the colour and nothing else, and `synth-colour` knows next to nobody: **a template can be a
# template of colours.** Its good results in colour gave no hint, since every drawn person keeps the
# colours of hair and skin from picture to picture, in training and in the test alike. `synth` does not notice
# the change. Its training disturbed all colours and showed every person in several years, with other hair,
# glasses and beard in each: what does not last earned nothing.
#
# (`nbnet encoder test --encoder NAME` repeats the experiment for any recogniser, with fifteen changes.)
# From here on the encoder is `synth`.

# %% [markdown]
# ## A probe
#
# A **probe** is a simple model that tries to read one property from a template. Ours is logistic
# regression: a weighted sum of the 128 numbers, and yes if it is above a limit. If so simple a model
# succeeds, the property lies open.
#
# Here are yes/no questions about the person and about the picture. **Before you go on, mark each with
# *can be read* or *cannot*.** The answers come in a while.

# %% tags=["slide", "show-code"]
questions = {
    # of the person
    "male mesh": lambda t: t["gender"] == "male",
    "over 40": lambda t: t["age_years"] > 40,
    "grey hair": lambda t: t["greyness"] > 0.05,
    "bearded": lambda t: t["beard"] != "none",
    "light eyes": lambda t: t["eye_color"].isin(["blue", "green", "grey"]),
    "uses make-up": lambda t: t["makeup_habit"] > 0.3,
    "heavy": lambda t: t["weight"] > 0.5,
    "odd number": lambda t: t["identity"] % 2 == 1,
    # of the picture
    "glasses on": lambda t: t["wears_glasses"],
    "smiling": lambda t: t["smile"] > 0.3,
    "mouth open": lambda t: t["jaw_open"] > 0.15,
    "head nods down": lambda t: t["pitch_deg"] > 0,
    "head turns right": lambda t: t["yaw_deg"] > 0,
    "head turned far": lambda t: t["yaw_deg"].abs() > 12,
    "light from high up": lambda t: t["light_elevation_deg"] > 30,
    "light from the right": lambda t: t["light_azimuth_deg"] > 0,
    "blurred": lambda t: t["defocus"] > 0.15,
    "outdoors": lambda t: t["scene"].isin(["sun", "overcast", "evening"]),
}


def answers(question, drawn):
    """Return the truth of one question, bool [N]."""
    return questions[question](drawn).to_numpy(dtype=bool)


# %% [markdown]
# ## The first trap: a probe that knows everything
#
# A colleague reports a sensation. From a template their probe tells *whether the person's number is odd*:
# a property that nobody can see, drawn by nothing. They took the victims' pictures, put a random third
# aside for the test, and asked the nearest template among the rest. Run it: are they right?

# %%
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

threadpool_limits(1, user_api="blas")  # many small fits: two threads would wait for each other

odd = answers("odd number", drawn_test)
by_picture = course.rng(1).random(len(odd)) < 1 / 3  # True: picture of the test third
nearest = KNeighborsClassifier(1).fit(x_test[~by_picture], odd[~by_picture])
rate_by_picture = nearest.score(x_test[by_picture], odd[by_picture])
print(f"odd or even, read from the template: {rate_by_picture:.1%} right")

# %% [markdown]
# It is right nearly always. The number is not in the template, though. What happened? (Which *people*
# are in the test third, and which in the rest?)
#
# ### Exercise 3.1 ★★ split by identity
#
# `identities` holds the person of every picture. Return a mask that is True for the pictures of the
# test part: a `test_share` of the *people*, chosen with the generator `rng`.


# %%
def split_by_identity(identities, test_share, rng):
    """Return a bool mask [N]: True for every picture of the people drawn for the test."""
    ### BEGIN SOLUTION
    people = np.unique(identities)
    chosen = rng.permutation(people)[: round(test_share * len(people))]
    return np.isin(identities, chosen)
    ### END SOLUTION


passed_split = check("3.1", split_by_identity)

# %% [markdown]
# Now the same test with both splits, for a property that nobody can see and for two that one can. (With
# your split if it passed, otherwise with the library's `folds_by_identity`.)

# %% tags=["slide"]
from nbnet_lib.evaluate import probes

if passed_split:
    by_person = np.asarray(split_by_identity(who_test, 1 / 3, course.rng(2)), dtype=bool)
else:
    by_person = np.isin(np.arange(len(odd)), next(probes.folds_by_identity(who_test, 3, seed))[1])

chosen_questions = ["odd number", "heavy", "male mesh"]
rates = np.zeros((2, 3))
for row, test in enumerate([by_picture, by_person]):
    for column, question in enumerate(chosen_questions):
        y = answers(question, drawn_test)
        model = KNeighborsClassifier(1).fit(x_test[~test], y[~test])
        rates[row, column] = model.score(x_test[test], y[test])

figure, axis = plt.subplots(figsize=(8.8, 3))
place = np.arange(3)
for row, label in enumerate(["split by picture", "split by identity"]):
    marks = axis.bar(place + 0.4 * row - 0.2, rates[row], 0.38, label=label, hatch=["//", ""][row])
    axis.bar_label(marks, fmt="{:.0%}")
axis.axhline(0.5, color="black", linewidth=1, linestyle=":")
axis.set_xticks(place, chosen_questions)
axis.set(ylim=(0, 1.4), yticks=[0, 0.5, 1], ylabel="share right")
axis.legend(frameon=False, ncols=2, loc="upper center")
show(
    figure,
    "Share of right answers to three questions. Split by picture all three are near 100 percent, even "
    "whether the person's number is odd. Split by identity the odd number falls to about one half.",
)

# %% [markdown]
# Other pictures of the same people were among the training pictures. The probe recognised the *person*
# (that is what a template is for) and looked the answer up. "Heavy" collapsed as well. In the
# literature a label that means nothing is called a *control task* (Hewitt and Liang 2019): a test in
# which a coin can be read is a broken test. From here on the people of the test are always new.
#
# ## The second trap: compared with what?
#
# ### Exercise 3.2 ★ chance level
#
# If 80 of 100 people have no beard, saying "no beard" without looking is right 80 % of the time. Return
# the hit rate of the best guesser who never looks: the one who always gives the most frequent label.


# %%
def chance_level(labels):
    """Return the share (0 to 1) of the most frequent label."""
    ### BEGIN SOLUTION
    counts = np.unique(labels, return_counts=True)[1]
    return counts.max() / len(labels)
    ### END SOLUTION


passed_chance = check("3.2", chance_level)

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def train_probe(x, y):
    """Fit a logistic probe in which yes and no weigh the same, however rare one is."""
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=300)
    return make_pipeline(StandardScaler(), model).fit(x, y)


print("question          share right   always the same   balanced")
for name in ["bearded", "light eyes", "glasses on", "head turned far", "mouth open"]:
    y = answers(name, drawn_test)
    guess = train_probe(x_train, answers(name, drawn_train)).predict(x_test)
    lazy = chance_level(y) if passed_chance else max(y.mean(), 1 - y.mean())
    balanced = balanced_accuracy_score(y, guess)
    print(f"{name:18s} {np.mean(guess == y):9.1%} {lazy:15.1%} {balanced:13.1%}")

# %% [markdown]
# Look at the lower rows: such a probe may be *less often right* than the lazy guesser and still know
# something. It was trained to give yes and no the same weight, so it says yes more often than yes is
# true. The **balanced accuracy** is fair to both: the mean of "share of the yeses found" and "share of
# the noes found". Whoever never looks gets 50 % of it, whatever the shares are. We use it from now on.
#
# ## Is it more than luck?
#
# Twenty victims, a hit rate of 60 %: more than 50, but is it more than luck? A **permutation test** asks
# luck itself: shuffle the true labels, score again, many times; p is the share of shuffles that do as
# well as the truth. But who is shuffled matters, as with the bootstrap in chapter 02. The pictures of
# one person share the label and have nearly the same template. Shuffle pictures, and you pretend that there are as many
# independent answers as pictures.
#
# ### Exercise 3.3 ★★★ shuffle between people
#
# `labels` [N] holds one label per picture, the same for all pictures of a person; `identities` [N] says
# who is on each. Return labels [N] in which *people* have exchanged their labels at random: afterwards
# all pictures of a person still share one label, and as many people as before have each label.


# %%
def shuffle_between_people(labels, identities, rng):
    """Return labels [N] after people have exchanged theirs."""
    ### BEGIN SOLUTION
    people, first, index = np.unique(identities, return_index=True, return_inverse=True)
    return labels[first][rng.permutation(len(people))][index]
    ### END SOLUTION


passed_shuffle = check("3.3", shuffle_between_people)

# %% [markdown]
# A test of luck can be tested: give it labels that *are* luck. Below, every person throws a coin, and we
# ask how well the coin agrees with what the probe for "male mesh" says. There is nothing to find. An
# honest test finds something (p below 5 %) in about 5 of 100 throws. How often will the test find
# something that shuffles pictures?

# %% tags=["slide"]
few = who_test < 30
guess = train_probe(x_train, answers("male mesh", drawn_train)).predict(x_test)[few]
people = who_test[few]
shuffle = shuffle_between_people if passed_shuffle else probes.shuffle_between_identities
rng, n_coins = course.rng(3), course.pick(quick=20, laptop=150)

p_values = {"pictures shuffled": [], "people shuffled": []}
for _ in range(n_coins):
    coin = (rng.random(people.max() + 1) < 0.5)[people]  # the same for all pictures of a person
    score = np.mean(coin == guess)
    luck = {
        "pictures shuffled": [np.mean(rng.permutation(coin) == guess) for _ in range(99)],
        "people shuffled": [np.mean(shuffle(coin, people, rng) == guess) for _ in range(99)],
    }
    for name, scores in luck.items():
        p_values[name].append((1 + np.sum(np.array(scores) >= score)) / 100)

figure, axes = plt.subplots(1, 2, figsize=(8.8, 2.8), sharey=True)
for axis, (name, values) in zip(axes, p_values.items(), strict=True):
    axis.hist(values, np.linspace(0, 1, 21), color="C0")
    axis.axvspan(0, 0.05, color="C3", alpha=0.25)
    axis.axhline(n_coins / 20, color="black", linestyle=":", linewidth=1)
    found = np.mean(np.array(values) <= 0.05)
    axis.set(title=f"{name}: {found:.0%} of coins 'significant'", xlabel="p")
show(
    figure,
    "Histograms of p values of coins that mean nothing. With people shuffled they are spread evenly; "
    "with pictures shuffled they pile up near 0 and 1, and far more than 5 percent look significant.",
)

# %% [markdown]
# A finding of the left kind would have been printed with stars. The right test keeps its word.
#
# ## What is in a template, and what is not
#
# Now all questions at once: probes of the attacker's people, asked about the victims, with a 95 %
# interval (bootstrap over people) and the band of luck (people shuffled). You have marked your guesses?

# %%
from nbnet_lib.evaluate import IdentityBootstrap

bootstrap = IdentityBootstrap(who_test, 500, seed)


def judge(question, guess):
    """Return balanced accuracy and its 95 % interval over people."""
    y = answers(question, drawn_test).astype(int)
    draws = probes.balanced_accuracy_draws(y, guess.astype(int), who_test, bootstrap)
    return (balanced_accuracy_score(y, guess), *bootstrap.interval(draws))


rng, results = course.rng(4), {}
for name in questions:
    y = answers(name, drawn_test)
    guess = train_probe(x_train, answers(name, drawn_train)).predict(x_test)
    luck = [
        balanced_accuracy_score(probes.shuffle_between_identities(y, who_test, rng), guess)
        for _ in range(course.pick(quick=5, laptop=49))
    ]
    results[name] = (*judge(name, guess), np.quantile(luck, 0.975))

# %% tags=["slide"]
order = sorted(results, key=lambda name: results[name][0])
value, low, high, luck = np.array([results[name] for name in order]).T
about_person = np.array([list(questions).index(name) < 8 for name in order])
colors = np.where(about_person, "C0", "C2")

figure, axis = plt.subplots(figsize=(8.8, 5.2))
place = np.arange(len(order))
axis.barh(place, value - 0.4, left=0.4, color=colors, alpha=0.75)
axis.hlines(place, low, high, color="black", linewidth=2)
axis.plot(luck, place, "|", color="C3", markersize=14, markeredgewidth=2, label="97.5 % of luck")
axis.axvline(0.5, color="C3", linewidth=1, linestyle=":", label="never looking")
axis.barh([0], [0], color="C0", alpha=0.75, label="of the person")
axis.barh([0], [0], color="C2", alpha=0.75, label="of the picture")
axis.set_yticks(place, order)
axis.set(xlim=(0.4, 1.02), xlabel="balanced accuracy on new people, 95 % interval")
axis.legend(frameon=False, loc="lower right")
show(
    figure,
    "Balanced accuracy of eighteen probes. The male mesh is read best; beard, grey hair, over 40, light "
    "eyes, make-up, glasses and the height of the light well; pose, smile, an open mouth and the side of "
    "the light clearly beyond luck; blur, weight and the odd number hardly or not at all.",
)

# %% [markdown]
# Four things to stop at.
#
# - **The picture is in there, too.** Nodding, an open mouth, a smile, how high the light stood: a
#   template was to forget them, and did so in part only. A list of templates tells something about the
#   rooms.
# - **Up and down better than left and right.** The height of the light is read better than its side, the
#   nod better than the side of a turn. Most likely because in training half of the pictures were
#   mirrored: the encoder was *paid for forgetting* left and right, and did so in part. Blur was in its
#   training, too. (A proof would be a second encoder, trained without mirror.)
# - **Failing is not proof.** Blur, weight and the odd number are read no better than luck, or hardly. But only
#   of the number do we know that it cannot be in there. Of the other two we know that *this* probe failed.
# - **A colour of two or three pixels.** An iris is that wide here, and light eyes are read well above
#   luck, by an encoder that did not notice when all colour went. What it does *not need* may still be in
#   its templates. Or does the probe read something that goes with light eyes?
#
# ## Try it: how many people does an attacker need?
#
# Choose a question and how many of the attacker's people the probe is trained on. Which question is read
# well with 30 people? Which needs hundreds? (In the laptop profile even 10 people tell more than four of
# five meshes.)


# %%
grid = [n for n in (10, 30, 100, 300, 1000) if n <= n_train]


def how_many(question="male mesh", training_people=grid[-1]):
    """Balanced accuracy of a probe over the number of people it was trained on, with interval."""
    sizes = [n for n in grid if n <= training_people]
    points = []
    for size in sizes:
        own, y = who_train < 20_000 + size, answers(question, drawn_train)
        if y[own].all() or not y[own].any():
            points.append((np.nan, np.nan, np.nan))  # nobody to learn a yes (or a no) from
        else:
            points.append(judge(question, train_probe(x_train[own], y[own]).predict(x_test)))
    value, low, high = np.array(points).T
    figure, axis = plt.subplots(figsize=(7.5, 3.2))
    axis.errorbar(sizes, value, (value - low, high - value), fmt="o-", capsize=4, label="probe")
    axis.axhline(results[question][3], color="C3", linestyle="--", label="97.5 % of luck")
    axis.axhline(0.5, color="0.5", linestyle=":", label="never looking")
    axis.set(xscale="log", xlim=(8, 1300), ylim=(0.35, 1.02), xlabel="training people")
    axis.set(ylabel="balanced accuracy", title=f"{question}: {value[-1]:.1%}")
    axis.legend(frameon=False, loc="upper left", ncols=3)
    return figure


explore(how_many, question=list(questions), training_people=grid[::-1])

# %% [markdown]
# ## What is the probe reading?
#
# The probe for "over 40" is right far more often than luck. Does it read age? In our program, as in
# life, some things go together: hair turns grey with age, beards go with the male mesh, make-up with the
# female. A probe takes whatever helps. So a probe for X may be a probe for Y.
#
# **First way out: matched data.** Choose test people such that grey and dark hair are as frequent among
# the old as among the young. Whoever reads hair then gains nothing.
#
# ### Exercise 3.4 ★★ matched people
#
# `labels` and `confounder` hold one value per person. Return the indices of people such that *within
# each value of the confounder* there are equally many True and False labels; as many people as possible,
# chosen with `rng`. Where a value of the confounder comes with one label only, nobody of it can stay.


# %%
def matched(labels, confounder, rng):
    """Return indices of people in whom the confounder says nothing about the label."""
    ### BEGIN SOLUTION
    kept = []
    for value in np.unique(confounder):
        yes = np.flatnonzero((confounder == value) & labels)
        no = np.flatnonzero((confounder == value) & ~labels)
        size = min(len(yes), len(no))
        kept += [rng.permutation(yes)[:size], rng.permutation(no)[:size]]
    return np.concatenate(kept)
    ### END SOLUTION


passed_matched = check("3.4", matched)

# %% [markdown]
# Three suspicions. Before you run it: which of the three probes is guilty, and how guilty?
#
# - the probe for *over 40* reads grey hair;
# - the probe for *male mesh* reads the beard (only the male mesh gets one);
# - the probe for *uses make-up* reads the mesh.

# %% tags=["slide"]
match = matched if passed_matched else probes.matched_people
suspicions = [("over 40", "grey hair"), ("male mesh", "bearded"), ("uses make-up", "male mesh")]
rng, once = course.rng(6), np.arange(0, len(who_test), n_samples)  # one row per person
bars = []
for asked, suspect in suspicions:
    guess = train_probe(x_train, answers(asked, drawn_train)).predict(x_test)
    y, other = answers(asked, drawn_test), answers(suspect, drawn_test)
    chosen = np.asarray(match(y[once], other[once], rng))
    rows = np.isin(who_test, who_test[once][chosen])
    part = IdentityBootstrap(who_test[rows], 500, seed)
    codes = y[rows].astype(int), guess[rows].astype(int)
    interval = part.interval(probes.balanced_accuracy_draws(*codes, who_test[rows], part))
    bars.append((results[asked][:3], (balanced_accuracy_score(*codes), *interval), rows.sum()))

figure, axis = plt.subplots(figsize=(8.8, 3))
for k, label in enumerate(["all test people", "matched"]):
    value, low, high = np.array([bar[k] for bar in bars]).T
    where = np.arange(3) + 0.4 * k - 0.2
    axis.bar(where, value, 0.38, label=label, yerr=(value - low, high - value), capsize=4)
axis.axhline(0.5, color="black", linestyle=":", linewidth=1)
axis.set_xticks(range(3), [f"{a}\n(matched by {s})" for a, s in suspicions])
axis.set(ylim=(0.3, 1.15), ylabel="balanced accuracy")
axis.legend(frameon=False, ncols=2, loc="upper center")
show(
    figure,
    "Balanced accuracy of three probes on all test people and on matched people, with intervals. The "
    "male mesh stays as readable as before; over 40 falls, but not to one half; make-up does.",
)
for (asked, suspect), (_, after, rows) in zip(suspicions, bars, strict=True):
    print(f"{asked:13s} matched by {suspect:10s} {rows // n_samples:4d} people: {after[0]:.1%}")

# %% [markdown]
# The famous confounder, the beard, is innocent: the mesh is read without it. The probe for make-up is
# guilty: what looked like make-up was the mesh. The probe for age is guilty in part. Among people whose hair
# tells nothing it is right less often than among all, and yet more often than a coin: it reads hair, and
# something else as well.
#
# Matching costs people (see the intervals), and it can only rule out a suspect that one has thought of.
#
# ## One parameter, all else fixed
#
# **Second way out: cause it.** Here nobody has to be found: take a person, draw them at 20 and at 75
# with *everything else unchanged*, and look at the reading. Then leave the age and turn the hair grey.
# With photographs this experiment cannot be done. `render(..., changes=...)` does it.

# %%
steps = {
    "age 20 to 75": {"age_years": (20, 75)},
    "hair turns grey": {"greyness": (0.0, 1.0)},
    "wrinkles": {"wrinkles": (0.0, 1.0)},
    "mesh female to male": {"gender_axis": (0.0, 1.0)},
    "beard": {"beard": ("none", "full")},
    "skin colour": {"melanin": (0.2, 0.8)},
    "eyes brown to blue": {"eye_color": ("darkbrown", "blue")},
    "weight": {"weight": (0.1, 0.9)},
    "glasses": {"glasses": ("square", "square"), "wears_glasses": (False, True)},
    "nod up to down": {"pitch_deg": (-15, 15)},
    "turn left to right": {"yaw_deg": (-25, 25)},
    "light low to high": {"light_elevation_deg": (0, 60)},
    "smile": {"smile": (0.0, 1.0)},
    "another background": {"background_seed": (1, 2)},
    "another skin pattern": {"skin_seed": (1, 2)},
    "hair short to long": {"hair_style": ("short", "long")},
}


def picture(person, step, end):
    """Draw sample 0 of a person with one step at its low (0) or high (1) end."""
    changes = {name: ends[end] for name, ends in steps[step].items()}
    return render(person, 0, changes=changes)


calm = drawn_test.query(
    "sample == 0 and age_years < 35 and greyness == 0 and beard == 'none' and headwear == 'none'"
)
person = int(calm["identity"].iloc[0])  # young, with dark hair and no beard

shown = ["age 20 to 75", "hair turns grey", "beard", "eyes brown to blue", "weight", "smile"]
figure, axes = plt.subplots(2, 6, figsize=(8.8, 3.3))
for column, step in enumerate(shown):
    for end in (0, 1):
        axes[end, column].imshow(picture(person, step, end))
        axes[end, column].set_axis_off()
    axes[0, column].set_title(step, fontsize=9)
show(
    figure,
    "One person at both ends of six steps: younger and older, dark and grey hair, without and with a "
    "beard, brown and blue eyes, thin and heavy, serious and smiling; all else is the same.",
)

# %% [markdown]
# ### How far does the template move?
#
# Draw several people at both ends of each step and compare the two templates. Before you run it: which
# moves the template further, 50 degrees of head turn or a beard? A new background or blue eyes?

# %%
from tqdm import tqdm

models = range(1, 1 + course.pick(quick=1, laptop=12, gpu=60))
pairs = {}
for step in tqdm(steps, desc="drawing both ends"):
    pairs[step] = [np.stack([picture(p, step, end) for p in models]) for end in (0, 1)]
moved = {s: [encoder.embed(images).numpy() for images in pair] for s, pair in pairs.items()}

# %% tags=["slide"]
cosine = {s: float(np.median(np.sum(a * b, axis=1))) for s, (a, b) in moved.items()}
pixels = {s: float(np.abs(a.astype(float) - b).mean()) for s, (a, b) in pairs.items()}
scores, same = x_test[:600] @ x_test[:600].T, who_test[:600, None] == who_test[None, :600]
np.fill_diagonal(scores, np.nan)
one_person, strangers = (float(np.nanmedian(scores[m])) for m in (same, ~same))

figure, axes = plt.subplots(1, 2, figsize=(8.8, 4.4), sharey=True)
order = sorted(steps, key=cosine.get)
axes[0].barh(order, [1 - cosine[s] for s in order], color="C0")
axes[0].axvline(1 - one_person, color="black", linestyle="--", label="two pictures of one person")
axes[0].axvline(1 - strangers, color="C3", linestyle=":", label="two strangers")
axes[0].set(xlabel="template: 1 - cosine, median")
axes[0].legend(frameon=False, fontsize=8, loc="lower right")
axes[1].barh(order, [pixels[s] for s in order], color="0.6")
axes[1].set(xlabel="picture: mean change in grey levels of 255")
show(
    figure,
    "Left: how far sixteen changes of one parameter move the template, with the typical distance of "
    "two pictures of one person and of two strangers. Right: how much they change the pixels. The two "
    "orders differ: another background changes many pixels and hardly moves the template; blue eyes "
    "change next to none and move it further; skin colour moves it furthest.",
)

# %% [markdown]
# The template is a strange judge of pictures. Another background or longer hair changes a large part of
# the pixels, and the template hardly stirs; blue eyes change next to none, and it moves further. Skin moves
# it furthest, though in grey nothing was lost: dark and light skin differ in grey as well. The weight of a
# body is hardly to be seen in the faces of this model, so it is not in the template either: "heavy" failed
# because there is nothing to read. And fifty degrees of turn move the template further than two photographs
# of one person usually lie apart, though the probe was right about the side only two times in three. **In the
# template** and **readable by a probe** are two things.
#
# ### Who answers to what?
#
# Now 13 probes for numbers (ridge regression, one weighted sum each) look at both ends of all steps. A
# good probe answers to its own step, by the full amount (1), and to no other (0). Which probe will
# answer to "age 20 to 75"?

# %%
from sklearn.linear_model import RidgeCV

targets = {  # what a probe is to read, and how far its own step moves it
    "age": (lambda t: t["age_years"], 55),
    "grey hair": (lambda t: t["greyness"], 1),
    "wrinkles": (lambda t: t["wrinkles"], 1),
    "mesh": (lambda t: t["gender_axis"], 1),
    "beard": (lambda t: t["beard"] == "full", 1),
    "skin": (lambda t: t["melanin"], 0.6),
    "light eyes": (lambda t: t["eye_color"].isin(["blue", "green", "grey"]), 1),
    "weight": (lambda t: t["weight"], 0.8),
    "glasses": (lambda t: t["wears_glasses"], 1),
    "nod": (lambda t: t["pitch_deg"], 30),
    "turn": (lambda t: t["yaw_deg"], 50),
    "light": (lambda t: t["light_elevation_deg"], 60),
    "smile": (lambda t: t["smile"], 1),
}
truth = np.stack([f(drawn_train).to_numpy(float) for f, _ in targets.values()], axis=1)  # [N, 13]
full = np.array([size for _, size in targets.values()])
ridge = RidgeCV(np.logspace(0, 4, 9), alpha_per_target=True)
reader = make_pipeline(StandardScaler(), ridge).fit(x_train, truth)
answer = np.stack(
    [(reader.predict(b) - reader.predict(a)).mean(axis=0) / full for a, b in moved.values()]
)

# %% tags=["slide"]
figure, axis = plt.subplots(figsize=(8.8, 6))
axis.imshow(answer, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
for row in range(len(steps)):
    for column in range(len(targets)):
        strong = abs(answer[row, column]) > 0.6
        axis.text(
            column,
            row,
            f"{answer[row, column]:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if strong else "black",
        )
for k in range(len(targets)):  # a probe and its own step
    axis.add_patch(plt.Rectangle((k - 0.5, k - 0.5), 1, 1, fill=False, edgecolor="black"))
axis.set_xticks(range(len(targets)), targets, rotation=40, ha="right")
axis.set_yticks(range(len(steps)), steps)
axis.set(xlabel="probe: mean answer, 1 = its own step in full", ylabel="changed, all else fixed")
axis.spines[:].set_visible(False)
show(
    figure,
    "Matrix of the mean answers of thirteen probes to sixteen changes. Boxes mark a probe's own change, to "
    "which most answer most, by a quarter to three quarters. The probes for age and wrinkles also answer to "
    "grey hair; the one for weight answers to nothing.",
)
older, greyer = answer[0, 0] * 55, answer[1, 0] * 55
print(f"55 years older, hair unchanged: the age probe moves by {older:+.1f} years")
print(f"hair turns grey, age unchanged: the age probe moves by {greyer:+.1f} years")

# %% [markdown]
# There it is. Make somebody 55 years older, and the age probe sees less than half of it. Dye their hair
# grey, and they "age" by some fifteen years, and nobody got older. The probe reads both, as the matched
# people said. The wrinkle probe answers to age and to grey hair more than to wrinkles: it is another age
# probe. On test data both looked good, since in the data hair, wrinkles and age go together, and the test people
# come from the same data. *A good score on new people says that X can be predicted. It does not say that X
# is what is read.*
#
# The eyes, which we suspected, are innocent: change the irises and nothing else, two or three pixels each,
# and the probe for light eyes answers, more than to any other change.
#
# For an attacker this hardly matters: a guess through the hair is also a guess. It matters to whoever wants
# to *explain* ("the system infers age"), to *protect* (dye helps, but only in part), or to *carry over* (where old people dye their hair, the probe does worse).
#
# ## Try it: one person, many readings
#
# Change a person and see what the probes say now. The controls begin with grey hair: the age reading
# jumps, and nobody got older. Which change moves the reading for glasses, though none are put on?


# %%
from nbnet_lib.course.faces import parameter_controls

before = render(person, 0)
gauges = ["age", "grey hair", "mesh", "beard", "skin", "light eyes", "glasses", "nod", "smile"]
columns = [list(targets).index(name) for name in gauges]
centre, spread = truth.mean(axis=0), truth.std(axis=0)


def readings(image):
    """Return the chosen probes' readings in standard deviations of the training people."""
    return ((reader.predict(encoder.embed(image[None]).numpy())[0] - centre) / spread)[columns]


at_first = readings(before)


def change(**changes):
    """A face before and after the changes, and nine readings of its template before and after."""
    after = render(person, 0, changes=changes)
    figure, axes = plt.subplots(1, 3, figsize=(8.8, 3), width_ratios=[1, 1, 2.2])
    for axis, image, title in zip(axes, [before, after], ["before", "after"], strict=False):
        axis.imshow(image)
        axis.set_title(title)
        axis.set_axis_off()
    place = np.arange(len(gauges))
    axes[2].barh(place + 0.2, at_first, 0.38, color="0.7", label="before")
    axes[2].barh(place - 0.2, readings(after), 0.38, color="C0", label="after")
    axes[2].axvline(0, color="black", linewidth=1)
    axes[2].set_yticks(place, gauges)
    axes[2].set(xlim=(-4, 4), xlabel="reading, in standard deviations")
    axes[2].legend(frameon=False, fontsize=8, loc="lower right")
    return figure


parameters = ["age_years", "greyness", "wrinkles", "gender_axis", "melanin", "weight", "beard",
              "eye_color", "hair_color", "hair_style", "glasses", "wears_glasses", "pitch_deg",
              "smile", "light_elevation_deg", "makeup"]  # fmt: skip
controls = parameter_controls(person, 0, parameters)
controls["greyness"].value = 1.0  # one change to begin with
explore(change, **controls)

# %% [markdown]
# ## Can it be taken out?
#
# If the probe reads along one direction of the 128, remove that direction: project every template onto
# the other 127. Then nobody can read it any more? Train a new probe on what is left, remove its
# direction as well, and go on (Ravfogel and others 2020). Now and then we also ask a probe that is not
# linear, a support vector machine. Before you run it: how many directions must go until the mesh cannot
# be read, and what does recognition pay?

# %%
from sklearn.svm import SVC

y_train, y_test = (answers("male mesh", t) for t in (drawn_train, drawn_test))
some = who_test < course.pick(quick=20, laptop=120)
a, b, linear, tars, curved = x_train.copy(), x_test.copy(), [], [], {}
for removed in range(course.pick(quick=4, laptop=25)):
    model = train_probe(a, y_train)
    linear.append(balanced_accuracy_score(y_test, model.predict(b)))
    own, others = evaluate.genuine_impostor(b[some], who_test[some])
    tars.append(evaluate.tar_at(own, evaluate.threshold_at_far(others, 0.01)))
    if removed % 6 == 0:  # every third template: it is slow
        svm = make_pipeline(StandardScaler(), SVC(C=10, class_weight="balanced"))
        read = svm.fit(a[::3], y_train[::3]).predict(b)
        curved[removed] = balanced_accuracy_score(y_test, read)
    w = model[-1].coef_[0] / model[0].scale_  # the direction in the template
    w /= np.linalg.norm(w)
    a, b = a - np.outer(a @ w, w), b - np.outer(b @ w, w)

# %% tags=["slide"]
figure, axis = plt.subplots(figsize=(8.8, 3.4))
axis.plot(tars, "s--", color="0.5", markersize=4, label="recognition: TAR at FAR 1 %")
axis.plot(linear, "o-", color="C0", label="mesh, a new linear probe each time")
axis.plot(
    list(curved), list(curved.values()), "D:", color="C3", label="mesh, support vector machine"
)
axis.axhline(0.5, color="black", linestyle=":", linewidth=1)
axis.set(xlabel="directions removed", ylabel="TAR, balanced accuracy", ylim=(0.4, 1.05))
axis.legend(frameon=False, loc="center right", bbox_to_anchor=(1, 0.55), fontsize=8)
show(
    figure,
    "As directions are removed the linear probe for the mesh falls to 0.6 after some ten of them, "
    "and the TAR stays nearly the same. A support vector machine still reads the mesh from what is left.",
)
print(f"one direction removed:   linear probe {linear[1]:.1%}")
print(f"{removed} directions removed: linear probe {linear[-1]:.1%}, TAR {tars[-1]:.1%}")
print(f"{max(curved)} directions removed: support vector machine {curved[max(curved)]:.1%}")

# %% [markdown]
# One direction is not enough: the property is written in many places, and every new probe finds the next.
# After a dozen the linear probe is right in six of ten cases, where a coin is in five, and recognition has
# paid hardly anything. A triumph, it seems, and many a paper would end here. But the other probe still reads the mesh: what was removed is the
# *straight* road to it. A protection that was tested against one probe was tested against that probe.
#
# ## What can go wrong
#
# - **People on both sides of the split.** The probe recognises them and looks the answer up.
# - **A hit rate without its chance level.** Print the lazy guesser beside it, or balance.
# - **Counting pictures as if they were people,** in intervals and in shuffles.
# - **Reading a probe as a cause.** Match, or change one thing; best both.
# - **Concluding absence from a failed probe.** Another probe, more people or another question (how far
#   instead of which side) may succeed.
# - **Many questions, one winner.** Of 20 properties without any trace one is "significant" at 5 %.
# - **Carrying numbers over to people.** These are switches of a drawing program, seen by one small
#   encoder.

# %% [markdown] tags=["slide"]
# ## For those who defend
#
# - A template is more than an identifier: it holds *soft biometrics* nobody asked for.
# - "Only numbers, nothing can be inferred" is a claim to be measured, with probes, intervals and controls.
# - Training can make an encoder indifferent to something (colour) and still leave it readable (light eyes).
#   Removing it afterwards fools the probe that it was made for.
# - Purpose limitation must be kept by access, not by hope.

# %% [markdown]
# The law knows this problem. In the European Union biometric data used to identify somebody uniquely are
# a special category (GDPR Article 9). So are data revealing racial or ethnic origin, or about health, and
# the Court of Justice (C-184/20, 2022) counts data from which such things can be *inferred indirectly*.
# The AI Act (Regulation (EU) 2024/1689, Article 5) prohibits systems that categorise single persons by
# their biometric data to deduce, among others, race, religion or sexual orientation. A list of templates
# that was gathered to open doors can be asked such questions years later, by whoever holds it, without
# any camera. So a data protection impact assessment should list what probes can read, not only who can
# be recognised; templates are stored encrypted, with access logged, and deleted when the purpose ends.
# (This is an engineer's summary, no legal advice.)
#
# On photographs: Terhörst and others (2020) examined 113 attributes of two real recognisers and found up
# to 74 of them predictable, the non-permanent ones (hair, beard, accessories) most easily.
#
# ## Stretch
#
# - ★★ **Your own question.** Add one to `questions` (`describe()` lists all parameters), predict, measure.
#   *It worked* if you can say whether the interval clears the band of luck.
# - ★★ **Another encoder.** Repeat the chapter's big figure with `create_encoder("synth-mobile")`. *It
#   worked* if you can name a question on which the two differ by more than their intervals.
# - ★★★ **The library's audit.** Run `nbnet_lib.evaluate.leakage.leakage(x_test, who_test, drawn_test[
#   ["gender", "age_years", "yaw_deg", "skin_seed"]])`. *It worked* if you can explain each column, and
#   why its numbers are lower than ours (who trained the probe?).
# - ★★★ **The price of forgetting.** Repeat the removal for "grey hair" and for "glasses on". *It worked*
#   if you can say, at FAR 0.1 %, for which of the two recognition pays more, and have an idea why.
# - ★★★★ **An age probe that reads age.** Train one on people without grey hair only, or on people drawn
#   with `changes={"greyness": 0.0}`, and repeat the row "age 20 to 75". *It worked* if the new probe answers
#   more to age than to hair; say what its R2 on ordinary people paid for it.
#
# ## Quiz

# %%
quiz("03")

# %% [markdown] tags=["slide"]
# ## Summary
#
# - Templates give away much that nobody asked for: about the person and about the picture.
# - Split by people; compare with chance; shuffle and draw people.
# - A template can be a template of colours. Good scores do not show it; changing one thing does.
# - A probe for X may read Y. Here the probe for make-up reads the mesh, the one for age reads hair in
#   part, and the one for the mesh does not read the beard. Only matching or changing one thing can tell.
# - "Not read by this probe" and "not in the template" are different statements.

# %% [markdown]
# Next: [04 Back to pixels, the linear way](04_back_to_pixels_the_linear_way.ipynb)
#
# ## References
#
# - A. Dantcheva, P. Elia, A. Ross: What else does your biometric data reveal? A survey on soft
#   biometrics. IEEE TIFS 11(3), 2016.
# - C. J. Parde and others: Face and image representation in deep CNN features. FG 2017.
# - P. Terhörst, D. Fährmann, N. Damer, F. Kirchbuchner, A. Kuijper: Beyond identity: what information is
#   stored in biometric face templates? IJCB 2020.
# - J. Hewitt, P. Liang: Designing and interpreting probes with control tasks. EMNLP 2019.
# - M. Ojala, G. C. Garriga: Permutation tests for studying classifier performance. JMLR 11, 2010.
# - S. Ravfogel, Y. Elazar, H. Gonen, M. Twiton, Y. Goldberg: Null it out: guarding protected attributes
#   by iterative nullspace projection. ACL 2020.
# - Regulation (EU) 2016/679 (GDPR), Articles 4 and 9; Court of Justice of the EU, C-184/20, 1 August 2022;
#   Regulation (EU) 2024/1689 (Artificial Intelligence Act), Article 5.
