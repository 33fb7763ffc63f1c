"""The passport photo of a person: frontal, neutral, evenly lit, nothing worn, nothing in the way.

An attacker who draws the faces it trains on also knows what is lasting in them. A decoder that
learns to turn the template of *any* picture into this one has no pose, light or background to
guess, which would come out as blur (chapter 4). A sample like any other, with every value fixed, so
two portraits differ by who they show and by nothing else.
"""

from __future__ import annotations

import numpy as np

from synthfaces.checks import check_number
from synthfaces.sample import Sample

PORTRAIT = -1  # its number; those that are drawn by chance count from 0


def portrait_sample(identity: int) -> Sample:
    """Return the sample of a person's portrait; the sample's number is `PORTRAIT`.

    Raises:
        NbnetError: the identity is not a whole number from 0 up.
    """
    return Sample(
        identity=check_number("identity", identity),
        sample=PORTRAIT,
        difficulty=1.0,
        yaw=0.0,
        pitch=0.0,
        roll=0.0,
        expression="neutral",
        actions={},
        gaze=(0.0, 0.0),
        scene="studio",
        light_azimuth=-20.0,  # not quite from the front: noses need a shadow to be seen
        light_elevation=30.0,
        key_strength=0.8,
        softness=0.8,
        warmth=0.0,
        fill=np.full(3, 0.6),
        light_turn=0.0,
        rim_strength=0.0,
        exposure=0.75,
        white_balance=np.ones(3),
        distance=20.0,
        shift=(0.0, 0.0),
        zoom=0.0,
        background_seed=7,
        shirt=np.array([0.15, 0.15, 0.18]),
        neckline=5.7,
        wears_glasses=False,
        sunglasses=False,
        headwear="none",
        headwear_rgb=np.full(3, 0.1),
        scarf=False,
        foreground=False,
        foreground_seed=0,
        hair_state="usual",
        hair_mess=0.2,
        hair_growth=1.0,
        stubble=0.3,
        beard_growth=0.8,
        makeup=0.0,
        flush=0.0,
        shine=1.0,
        defocus=0.0,
        motion_blur=0.0,
        motion_angle=0.0,
        noise=0.0,
        jpeg_quality=0,
        vignette=0.0,
        contrast=1.0,
        gamma=1.0,
        saturation=1.0,
    )
