"""The first line of every chapter: profile, seed and device, resolved once and printed.

A profile says how much to compute, never what is computed: ``quick`` is for tests (seconds),
``laptop`` for a reader with two cores (a live cell takes at most a minute), ``gpu`` for one
accelerator and ``paper`` for the scale of Mai et al. 2018. Introduced in chapter 01.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TypeVar

import matplotlib
import numpy as np
import torch

import nbnet_lib
from nbnet_lib.device import resolve_device
from nbnet_lib.errors import NbnetError

PROFILES = ("quick", "laptop", "gpu", "paper")

T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """What a chapter runs with.

    Attributes:
        profile: one of ``PROFILES``.
        seed: the one number from which every generator below is made.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    """

    profile: str
    seed: int
    device: str

    def pick(self, **values: T) -> T:
        """Return the value for this profile, for example ``pick(quick=20, laptop=100)``.

        A profile that is not named takes the value of the nearest smaller one that is.

        Raises:
            NbnetError: a name is not a profile, or none of the values is for this size or less.
        """
        unknown = sorted(set(values) - set(PROFILES))
        if unknown:
            raise NbnetError(f"pick(): {unknown[0]!r} is not a profile ({', '.join(PROFILES)})")
        for name in reversed(PROFILES[: PROFILES.index(self.profile) + 1]):
            if name in values:
                return values[name]
        raise NbnetError(f"pick(): no value for the profile {self.profile!r} or a smaller one")

    def generator(self, stream: int = 0) -> torch.Generator:
        """Return a fresh CPU generator; another ``stream`` gives independent numbers."""
        return torch.Generator().manual_seed(int(self.rng(stream).integers(2**62)))

    def rng(self, stream: int = 0) -> np.random.Generator:
        """Return a fresh numpy generator; another ``stream`` gives independent numbers."""
        return np.random.default_rng([self.seed, stream])


def resolve_profile(profile: str = "auto") -> str:
    """Turn ``"auto"`` into ``$NBNET_PROFILE`` or, where that is unset, ``"laptop"``.

    Raises:
        NbnetError: the name is not a profile.
    """
    source = "profile"
    if profile == "auto":
        profile, source = os.environ.get("NBNET_PROFILE") or "laptop", "NBNET_PROFILE"
    if profile not in PROFILES:
        raise NbnetError(f"{source} is {profile!r}: it must be one of {', '.join(PROFILES)}")
    return profile


def start(profile: str = "auto", seed: int = 7, device: str = "auto") -> Session:
    """Resolve the settings of a chapter, print them with the versions, and return them.

    Also sets the size and resolution of matplotlib figures, so that a notebook with its pictures
    stays small enough to read on a code-hosting page.

    Raises:
        NbnetError: unknown profile, unusable device, or a seed that is not a whole number >= 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise NbnetError(f"seed is {seed!r}: it must be a whole number of 0 or more")
    session = Session(resolve_profile(profile), int(seed), resolve_device(device))
    matplotlib.rcParams.update(
        {
            "figure.dpi": 88,
            "savefig.dpi": 88,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "image.cmap": "gray",
            "image.interpolation": "nearest",
        }
    )
    print(
        f"nbnet {nbnet_lib.__version__} | Python {platform.python_version()} | "
        f"torch {torch.__version__} | numpy {np.__version__} | "
        f"profile {session.profile} | seed {session.seed} | device {session.device}"
    )
    return session
