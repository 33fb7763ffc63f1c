"""One thing changed in a picture, all else as it was: what an invariance profile is made of.

Two kinds. A change of the *pixels* can be made to any picture: colours, sharpness, noise, an oval
mask. A change of the *scene* needs the renderer, which draws the very same picture once more with
one parameter set otherwise (`synthfaces.render`, ``changes``): glasses, hair, age, pose, light. No
photograph can be changed so, which is why a profile of drawn faces says more. `invariance` measures
what each does to a recogniser. Introduced in chapter 3.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nbnet_lib.faces.framing import FRAMINGS, Framing, reframe
from nbnet_lib.faces.transforms import brightness, resize, to_tensor, to_uint8
from nbnet_lib.parallel import cores, draw_each
from synthfaces import Identity, Sample, parameters_of, render
from synthfaces.parameters import find

PLAIN, GREY = "plain", "grey"
BLUR = 1.5 / 64  # sigma as a share of the side
OVAL = ((0.0, 0.05), (0.62, 0.82))  # middle and half axes, the picture from -1 to 1
DARK = ("black", "darkbrown", "brown", "auburn")
BATCH = 256

PixelChange = Callable[[Tensor, torch.Generator], Tensor]
SceneChange = Callable[[Identity, Sample], dict[str, Any]]


@dataclass(frozen=True)
class Condition:
    """One change.

    Attributes:
        name: as tables print it.
        what: what is done, in words; everything else stays.
        pixels: float32 [N, 3, S, S] in [0, 1] and a generator -> the same, changed; None for a
            change of the scene.
        scene: person and picture -> the ``changes`` that the renderer is given.
    """

    name: str
    what: str
    pixels: PixelChange | None = None
    scene: SceneChange | None = None


def _random(x: Tensor, generator: torch.Generator, channels: int) -> Tensor:
    return torch.rand(len(x), channels, 1, 1, generator=generator)


def grey(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Keep the brightness alone."""
    return brightness(x).expand_as(x)


def tint(x: Tensor, generator: torch.Generator) -> Tensor:
    """Multiply each channel of each picture by a factor of its own, 0.75 to 1.25."""
    return x * (0.75 + 0.5 * _random(x, generator, 3))


def gamma(x: Tensor, generator: torch.Generator) -> Tensor:
    """Bend the tone curve of each picture by an exponent of its own, 0.6 to 1.67."""
    return x ** torch.exp(math.log(0.6) * (2 * _random(x, generator, 1) - 1))


def blur(x: Tensor, _: torch.Generator) -> Tensor:
    """Blur with a Gaussian of 1.5 pixels in a picture of 64."""
    from torchvision.transforms.functional import gaussian_blur  # seconds: not for every notebook

    sigma = BLUR * x.shape[-1]
    return gaussian_blur(x, [2 * math.ceil(3 * sigma) + 1] * 2, [sigma] * 2)


def noise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Add noise of a standard deviation of 5 % of full scale to every value."""
    return x + 0.05 * torch.randn(x.shape, generator=generator)


def jpeg(x: Tensor, _: torch.Generator) -> Tensor:
    """Compress each picture as JPEG of quality 50, colours at half the resolution."""
    pictures = []
    for picture in to_uint8(2 * x - 1):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=50)
        pictures.append(np.asarray(Image.open(file)))
    return (to_tensor(np.stack(pictures)) + 1) / 2


def half_size(x: Tensor, _: torch.Generator) -> Tensor:
    """Make pictures half as wide and as high, and large again."""
    return (resize(resize(2 * x - 1, x.shape[-1] // 2), x.shape[-1]) + 1) / 2


def mirror(x: Tensor, _: torch.Generator) -> Tensor:
    """Swap left and right."""
    return x.flip(3)


def oval(x: Tensor, framing: Framing | None = None) -> Tensor:
    """Put flat grey in the place of everything outside an oval around the face: hair, neck, scene.

    ``framing`` says where the faces are in the pictures; None for where SynthFaces have them.
    """
    drawn, size = FRAMINGS["synthfaces"], 4 * x.shape[-1]
    at = (torch.arange(size) + 0.5) / size * 2 - 1
    (left, top), (width, height) = OVAL
    inside = ((at[None] - left) / width) ** 2 + ((at[:, None] - top) / height) ** 2 < 1
    mask = (2 * inside.float() - 1).expand(1, 3, size, size)
    share = (reframe(mask, drawn, framing or drawn, x.shape[-1]) + 1) / 2
    return x * share + 0.5 * (1 - share)


def change_glasses(who: Identity, what: Sample) -> dict[str, Any]:
    """Put glasses on, or take them off where they are worn."""
    frame = "square" if who.glasses == "none" else who.glasses
    return {"glasses": frame, "wears_glasses": not what.wears_glasses, "sunglasses": False}


def change_hair_style(who: Identity, _: Sample) -> dict[str, Any]:
    """Give another cut: of each person another one."""
    others = [style for style in find("hair_style").choices if style != who.hair_style]
    return {"hair_style": others[who.identity % len(others)], "hair_state": "usual"}


def change_hair_colour(who: Identity, _: Sample) -> dict[str, Any]:
    """Dye hair and brows: blond where they are dark, black where they are fair or grey."""
    dark = who.hair_color in DARK and who.greyness < 0.5
    return {"hair_color": "blond" if dark else "black", "greyness": 0.0}


def change_age(who: Identity, _: Sample) -> dict[str, Any]:
    """Make the head 20 years older; from 60 on 20 years younger."""
    return {"age_years": who.age_years + (20 if who.age_years < 60 else -20)}


def change_pose(_: Identity, what: Sample) -> dict[str, Any]:
    """Turn the head to 30 degrees, to the side to which it is turned already."""
    return {"yaw_deg": 30.0 if what.yaw >= 0 else -30.0}


def change_light(_: Identity, what: Sample) -> dict[str, Any]:
    """Move the lamp to the side, 80 degrees from the camera: the other side of where it was."""
    return {"light_azimuth_deg": -80.0 if what.light_azimuth >= 0 else 80.0}


def conditions(framing: Framing | None = None) -> list[Condition]:
    """Return the changes of pixels, then those of the scene, in the order of the tables.

    ``framing``: where the faces are in the pictures, for the oval; None for SynthFaces' place.
    """
    pixels = [
        Condition(GREY, "brightness alone", grey),
        Condition("tint", "each channel times 0.75 to 1.25", tint),
        Condition("gamma", "tone curve, exponent 0.6 to 1.67", gamma),
        Condition("blur", "sigma 1.5 pixels at 64", blur),
        Condition("noise", "5 % of full scale", noise),
        Condition("JPEG", "quality 50", jpeg),
        Condition("half size", "and back", half_size),
        Condition("mirror", "left and right swapped", mirror),
        Condition("oval cut", "flat grey around the face", lambda x, _: oval(x, framing)),
    ]
    scene = [
        Condition("glasses", "put on, or taken off", scene=change_glasses),
        Condition("hair style", "another cut", scene=change_hair_style),
        Condition("hair colour", "dyed blond or black, brows too", scene=change_hair_colour),
        Condition("age", "20 years", scene=change_age),
        Condition("pose", "yaw 30 degrees", scene=change_pose),
        Condition("light", "from the side, 80 degrees", scene=change_light),
    ]
    return pixels + scene


def change_pixels(images: np.ndarray, condition: Condition, seed: int) -> np.ndarray:
    """Return uint8 [N, S, S, 3], changed; the same seed makes the same choices at every size.

    Args:
        images: uint8 [N, S, S, 3].
        condition: a change of pixels.
        seed: of what is drawn at random for each picture.
    """
    assert condition.pixels is not None
    generator = torch.Generator().manual_seed(seed)
    changed = []
    for start in range(0, len(images), BATCH):
        x = (to_tensor(images[start : start + BATCH]) + 1) / 2
        changed.append(to_uint8(2 * condition.pixels(x, generator) - 1))
    return np.concatenate(changed)


def draw_changed(
    people: np.ndarray, samples: np.ndarray, size: int, changes: list[SceneChange]
) -> np.ndarray:
    """Draw pictures once more, each with one parameter of the scene changed, on all cores.

    Args:
        people: int64 [N], SynthFaces identities.
        samples: int64 [N], the picture of each.
        size: side, pixels.
        changes: K of them.

    Returns:
        uint8 [K, N, size, size, 3].
    """
    pairs = list(zip(people.tolist(), samples.tolist(), strict=True))
    wanted = [
        (*pair, size, [change(*parameters_of(*pair)) for change in changes]) for pair in pairs
    ]
    return np.stack(list(draw_each(_draw, wanted, len(changes), cores(None))), axis=1)


def _draw(wanted: tuple[int, int, int, list[dict[str, Any]]]) -> np.ndarray:
    who, what, size, changes = wanted
    return np.stack([render(who, what, size, changes=change) for change in changes])
