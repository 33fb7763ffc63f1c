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
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import complete_card
from nbnet_lib.encoders.cutter import DetectingCutter
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import sha256_file

IMAGE_SIZE, TEMPLATE_DIM = 160, 512
OPTION = "--encoder-weights FILE"


class Weights(NamedTuple):
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


# Where facenet-pytorch 2.5.3 downloads them from.
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
        NbnetError: no weights can be had, or the file holds others.
    """
    if card is not None:
        raise NbnetError(f"the encoder {name} brings its card along: leave card out")
    path = find_weights(name, download, timeout) if weights is None else Path(weights)
    network = _network(name, path).to(device).to(memory_format=torch.channels_last)
    preprocess = Preprocess(IMAGE_SIZE, framing="facenet", std=(128.0,) * 3)
    card = {**facenet_card(name), "file": path.name, "sha256": sha256_file(path)}
    return Encoder(
        name,
        network,
        IMAGE_SIZE,
        TEMPLATE_DIM,
        complete_card(card, preprocess, TEMPLATE_DIM),
        preprocess=preprocess,
        alignment=alignment or "detect",
        cutter=DetectingCutter(IMAGE_SIZE, None, device),
    )


def facenet_card(name: str) -> dict[str, Any]:
    """Return what is known of the encoder before its weights are loaded."""
    published = PUBLISHED[name]
    return {
        "name": name,
        "what": "Inception-ResNet v1, 160x160 face -> 512-D template, 23.5 million parameters",
        "source": f"facenet-pytorch, {RELEASES}/{published.file}",
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
    from nbnet_lib.data import remote

    path = local_weights(name)
    if path is not None:
        # Nobody publishes a checksum; what was downloaded here is known.
        if fault := remote.as_first_seen(remote.RemoteFile(path.name), path.parent).fault(path):
            raise NbnetError(
                f"{path} is not the file that was downloaded first ({fault}): move it away and run "
                "this again"
            )
        return path
    file, folder = PUBLISHED[name].file, weight_folders()[0]
    url = f"{RELEASES}/{file}"
    reason = "downloading was switched off"
    if download:
        # The library's own download has no time-out and leaves nothing of a file that was cut.
        try:
            return remote.download(
                remote.RemoteFile(file, (url,)), folder, timeout=timeout, attempts=2
            )
        except NbnetError as error:
            reason = str(error).partition(": try again later")[0]
    raise NbnetError(
        f"the weights of {name} are not on this machine ({reason}): try again with a network, or "
        f"bring {url} along and put it into {folder}, or name the file ({OPTION}, in Python "
        "weights=)"
    )


def _network(name: str, path: Path) -> torch.nn.Module:
    """Return the network with the weights of a file.

    Raises:
        NbnetError: the file is damaged or of another network.
    """
    from facenet_pytorch import InceptionResnetV1  # brings torchvision along

    state, published = _read(path), PUBLISHED[name]
    people = len(state.get("logits.weight", ()))
    if people not in (0, published.people):  # the only thing in which the two files differ
        raise NbnetError(
            f"{path} was trained on {people:,} people, not on the {published.people:,} of {name}: "
            f"give {published.file}"
        )
    with torch.random.fork_rng(devices=[]):  # what is drawn at random is overwritten
        network = InceptionResnetV1()
    try:
        keys = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a tensor of another shape
        wrong = [str(error).split("\n")[1].strip()]
    else:
        # The last layer is not needed; files of old versions of torch lack the counts of batches.
        wrong = [key for key in keys.unexpected_keys if not key.startswith("logits.")]
        wrong += [key for key in keys.missing_keys if not key.endswith("num_batches_tracked")]
    if wrong:
        raise NbnetError(
            f"{path} does not hold the weights of {name} ({wrong[0]}): give {published.file}"
        )
    return network


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a .pt or .safetensors file; no program in it is run."""
    from safetensors.torch import load_file

    if not path.is_file():
        raise NbnetError(f"no weights at {path}: give the .pt file of facenet-pytorch's releases")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # what torch raises of damaged files has many types
        reason = str(error).strip().partition("\n")[0].partition(". ")[0]
        raise NbnetError(
            f"{path} cannot be read as weights ({reason or type(error).__name__}): it is damaged, "
            "incomplete or another kind of file, move it away and get it again"
        ) from error
