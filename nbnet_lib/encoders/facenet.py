"""FaceNet as facenet-pytorch has it: Inception-ResNet v1, 160x160 pixels -> 512-D template.

Schroff, Kalenichenko, Philbin, "FaceNet: a unified embedding for face recognition and clustering",
CVPR 2015; the weights were trained by David Sandberg on VGGFace2 or CASIA-WebFace, and carried over
to PyTorch by Tim Esler. They are not part of any package: `find_weights` says where they are looked
for, and downloads them from facenet-pytorch's releases where they are not there.

Faces are found by MTCNN and cut out by the detected box, stretched to a square, as facenet-pytorch
does it and as the network was trained.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import complete_card
from nbnet_lib.encoders.cutter import with_room
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.detect import FaceDetector
from nbnet_lib.files import sha256_file

IMAGE_SIZE, TEMPLATE_DIM = 160, 512
OPTION = "--encoder-weights FILE"
INSTALL = 'pip install "facenet-pytorch>=2.5.3,!=2.6.*"'


@dataclass(frozen=True)
class Weights:
    """One published set of weights.

    Attributes:
        file: its name in facenet-pytorch's releases and in torch's cache.
        people: classes of the last layer, which the file holds and a template does not need.
        data: what it was trained on.
        lfw: accuracy on LFW that its author states.
    """

    file: str
    people: int
    data: str
    lfw: float

    @property
    def url(self) -> str:
        """Where facenet-pytorch 2.5.3 downloads it from."""
        return f"{RELEASES}/{self.file}"


RELEASES = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"
PUBLISHED = {
    "facenet-vggface2": Weights(
        "20180402-114759-vggface2.pt",
        8631,
        "VGGFace2: photographs of 8,631 people from the web",
        0.9965,
    ),
    "facenet-casia": Weights(
        "20180408-102900-casia-webface.pt",
        10575,
        "CASIA-WebFace: photographs of 10,575 people from the web",
        0.9905,
    ),
}


def open_facenet(
    name: str,
    device: str | torch.device = "cpu",
    weights: str | os.PathLike[str] | None = None,
    card: Any = None,
    alignment: str | None = None,
    download: bool = True,
    timeout: float = 30.0,
) -> Encoder:
    """Make one of the two encoders.

    Args:
        name: "facenet-vggface2" or "facenet-casia".
        device: where the network and the detector run.
        weights: the ``.pt`` file of facenet-pytorch, or its tensors as ``.safetensors``; None to
            look for it as `find_weights` does.
        card: None: it is known.
        alignment: "detect" (the default: MTCNN, picture by picture) or "framing".
        download: fetch the weights where they are not there.
        timeout: seconds that a download may stand still.

    Raises:
        NbnetError: facenet-pytorch is missing, no weights can be had, or the file holds others.
    """
    if card is not None:
        raise NbnetError(f"the encoder {name} brings its card along: leave card out")
    path = _given(weights) if weights is not None else find_weights(name, download, timeout)
    network = _network(name, path).to(device).to(memory_format=torch.channels_last)
    preprocess = Preprocess(IMAGE_SIZE, framing="facenet", std=(128.0,) * 3)
    told = {**facenet_card(name), "file": path.name, "sha256": sha256_file(path)}
    return Encoder(
        name,
        network,
        IMAGE_SIZE,
        TEMPLATE_DIM,
        complete_card(told, preprocess, TEMPLATE_DIM),
        preprocess=preprocess,
        alignment=alignment or "detect",
        cutter=BoxCutter(device),
    )


def facenet_card(name: str) -> dict[str, Any]:
    """Return what is known of the encoder before its weights are loaded."""
    published = PUBLISHED[name]
    return {
        "name": name,
        "what": "Inception-ResNet v1, 160x160 face -> 512-D template, 23.5 million parameters",
        "source": f"facenet-pytorch, {published.url}",
        "licence": "MIT (facenet-pytorch, which says nothing else of the weights); the pictures "
        "that they were trained on have terms of their own",
        "training_data": published.data,
        "published": {"benchmark": "LFW", "accuracy": published.lfw},
        "input": {"image_size": IMAGE_SIZE, "channels": "rgb", "mean": 127.5, "std": 128.0},
        "framing": "facenet",
        "verification": None,
        "verification_missing": "not measured: its weights cannot be shipped; "
        f"`nbnet encoder test --encoder {name}` measures it where they are",
    }


def weight_folders() -> list[Path]:
    """Return where weights are looked for; the first is where they are downloaded to.

    facenet-pytorch keeps them in ``checkpoints`` of torch's home, `torch.hub` one folder below.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser()
    return list(dict.fromkeys([home / "checkpoints", Path(torch.hub.get_dir()) / "checkpoints"]))


def local_weights(name: str) -> Path | None:
    """Return the file with the encoder's weights if it is where it is looked for."""
    file = PUBLISHED[name].file
    names = [file, str(Path(file).with_suffix(".safetensors"))]
    paths = (folder / name for folder in weight_folders() for name in names)
    return next((path for path in paths if path.is_file()), None)


def find_weights(name: str, download: bool = True, timeout: float = 30.0) -> Path:
    """Return the file with the encoder's weights: from torch's cache, or downloaded into it.

    Raises:
        NbnetError: it is not there and cannot be downloaded.
    """
    path = local_weights(name)
    if path is not None:
        return path
    published, folder = PUBLISHED[name], weight_folders()[0]
    reason = "downloading was switched off"
    if download:
        # The library's own download has no time-out and leaves nothing of a file that was cut.
        from nbnet_lib.data import remote

        file = remote.RemoteFile(published.file, (published.url,))
        try:
            return remote.download(file, folder, timeout=timeout, attempts=2)
        except NbnetError as error:
            reason = str(error).partition(": try again later")[0]
    raise NbnetError(
        f"the weights of {name} are not on this machine ({reason}): try again with a network, or "
        f"bring {published.url} along and put it into {folder}, or name the file "
        f"({OPTION}, in Python weights=)"
    )


def _given(weights: str | os.PathLike[str]) -> Path:
    path = Path(weights)
    if not path.is_file():
        raise NbnetError(f"no weights at {path}: give the .pt file of facenet-pytorch's releases")
    return path


def _network(name: str, path: Path) -> torch.nn.Module:
    """Return the network with the weights of a file.

    Raises:
        NbnetError: facenet-pytorch is missing, or the file is damaged or of another network.
    """
    try:
        from facenet_pytorch import InceptionResnetV1
    except ImportError as error:
        raise NbnetError(
            f"the encoder {name} needs facenet-pytorch ({error}): {INSTALL}"
        ) from error
    state = _read(path)
    with torch.device("meta"):  # nothing is drawn at random only to be overwritten
        network = InceptionResnetV1()
    wanted = network.state_dict()
    published = PUBLISHED[name]
    other = next((n for n, p in PUBLISHED.items() if _people(state) == p.people), None)
    if _people(state) not in (None, published.people):
        raise NbnetError(
            f"{path} was trained on {_people(state):,} people, not on the {published.people:,} of "
            f"{name}: " + (f"it is {other}" if other else f"give {published.file}")
        )
    for key in ("logits.weight", "logits.bias"):
        state.pop(key, None)
    for key, value in wanted.items():
        if key.endswith("num_batches_tracked"):  # files of old versions of torch do without
            state.setdefault(key, torch.zeros((), dtype=value.dtype))
    wrong = [k for k in wanted if k not in state or state[k].shape != wanted[k].shape]
    wrong += [k for k in state if k not in wanted]
    if wrong:
        raise NbnetError(
            f"{path} does not hold the weights of {name}: {len(wrong)} tensors are missing, of "
            f"another shape or unknown ({wrong[0]} is the first), give {published.file}"
        )
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise NbnetError(f"{path} holds NaN or infinity among its weights: download it again")
    network.load_state_dict(
        {k: v.to(wanted[k].dtype).clone() for k, v in state.items()}, assign=True
    )
    return network


def _people(state: dict[str, torch.Tensor]) -> int | None:
    weight = state.get("logits.weight")
    return None if weight is None else len(weight)


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a .pt or .safetensors file; no program in it is run."""
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises of damaged files has many types
        reason = str(error).strip().partition("\n")[0].partition(". ")[0]
        raise NbnetError(
            f"{path} cannot be read as weights ({reason or type(error).__name__}): it is damaged, "
            "incomplete or another kind of file, remove it and get it again"
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    ):
        raise NbnetError(
            f"{path} holds {type(state).__name__}, not named tensors: give a state dict"
        )
    return dict(state)


class BoxCutter:
    """MTCNN for each picture, then the box of the largest face, stretched to a square.

    Args:
        device: where the detector runs.
    """

    def __init__(self, device: str | torch.device = "cpu"):
        self._device = str(device)
        self._detector: FaceDetector | None = None

    def __call__(self, pictures: np.ndarray) -> list[np.ndarray | None]:
        """Cut the largest face out of each of uint8 [N, H, W, 3]; None where there is no face."""
        if self._detector is None:
            self._detector = FaceDetector(self._device)
        return [self._one(self._detector, picture) for picture in pictures]

    @staticmethod
    def _one(detector: FaceDetector, picture: np.ndarray) -> np.ndarray | None:
        searched, zoom, margin = with_room(picture)
        boxes = [face.box for face in detector.find(searched)]
        if not boxes:
            return None
        box = max(boxes, key=lambda b: float((b[2] - b[0]) * (b[3] - b[1])))
        # As in facenet-pytorch: whole pixels, nothing from beyond the picture.
        height, width = picture.shape[:2]
        left, top = (int(max(v / zoom - margin, 0)) for v in box[:2])
        right, bottom = (
            int(min(v / zoom - margin, end))
            for v, end in zip(box[2:], (width, height), strict=True)
        )
        if right <= left or bottom <= top:
            return None
        face = Image.fromarray(picture).crop((left, top, right, bottom))
        return np.asarray(face.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR))
