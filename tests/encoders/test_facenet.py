"""FaceNet: random weights in the published layout, real files, and a server on this machine."""

import http.server
import pickle
import threading
from functools import partial

import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from facenet_pytorch.models.utils.detect_face import extract_face
from PIL import Image
from safetensors.torch import save_file

from nbnet_lib.encoders import create_encoder, facenet
from nbnet_lib.encoders.cutter import DetectingCutter
from nbnet_lib.encoders.facenet import find_weights
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render, to_tensor
from nbnet_lib.faces.detect import DetectedFace
from nbnet_lib.faces.framing import FRAMINGS

NAME, FILE = "facenet-vggface2", "20180402-114759-vggface2.pt"


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return InceptionResnetV1(classify=True, num_classes=8631).eval()


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / FILE
    # The published files are of the old kind, before torch wrote zip archives.
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home of torch, and nothing but a closed port to download from."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(facenet, "RELEASES", "http://127.0.0.1:9")
    return tmp_path / "torch"


def test_templates_are_those_of_facenet_pytorch(network, weights):
    encoder = create_encoder(NAME, weights=weights)
    assert (encoder.image_size, encoder.template_dim, encoder.alignment) == (160, 512, "detect")
    assert encoder.framing == FRAMINGS["facenet"]
    picture = render(3, 0, 160)
    network.classify = False
    with torch.no_grad():  # (x - 127.5) / 128, as fixed_image_standardization
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        expected = network((pixels - 127.5) / 128)
    found = encoder(to_tensor(picture))
    assert torch.allclose(found, expected, atol=1e-5)


def test_the_network_takes_faces_that_a_detector_found(weights):
    encoder = create_encoder(NAME, weights=weights)
    nothing = np.full((160, 160, 3), 90, np.uint8)
    templates, *counts = encoder.embed_counted(
        np.stack([render(3, 0, 160), nothing, render(4, 0, 160)])
    )
    assert templates.shape == (3, 512)
    assert torch.allclose(templates.norm(dim=1), torch.ones(3), atol=1e-5)
    assert counts == [3, 2]
    fixed = create_encoder(NAME, weights=weights, alignment="framing")
    assert fixed.embed_counted(nothing[None]).n_attempted == 0


def test_safetensors_without_the_last_layer_will_do(network, weights, tmp_path):
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("logits")}
    save_file(state, tmp_path / "mine.safetensors")
    one = create_encoder(NAME, weights=weights)
    two = create_encoder(NAME, weights=tmp_path / "mine.safetensors")
    picture = to_tensor(render(3, 0, 160))
    assert torch.equal(one(picture), two(picture))
    assert one.card["sha256"] != two.card["sha256"]


class _Finds:
    """A detector that finds given boxes in the searched picture."""

    def __init__(self, *boxes):
        self.boxes = boxes

    def find(self, picture):
        points = np.zeros((5, 2), np.float32)
        return [DetectedFace(np.asarray(box, np.float32), points, 1.0) for box in self.boxes]


@pytest.mark.parametrize("box", [(41.7, 30.2, 130.9, 150.6), (-9.0, -3.0, 170.0, 166.0)])
def test_faces_are_cut_as_facenet_pytorch_cuts_them(box):
    picture = render(3, 0, 160)
    cutter = DetectingCutter(160, None)
    margin = round(0.3 * 160)
    cutter._detector = _Finds(np.add((60, 60, 70, 75), margin), np.add(box, margin))
    (cut,) = cutter(picture[None])
    theirs = extract_face(Image.fromarray(picture), np.array(box), 160).permute(1, 2, 0).numpy()
    assert np.array_equal(cut, theirs.astype(np.uint8))


def test_a_box_beside_the_picture_is_no_face():
    cutter = DetectingCutter(160, None)
    cutter._detector = _Finds((1.0, 1.0, 20.0, 20.0))  # in the margin
    assert cutter(render(3, 0, 160)[None]) == [None]


def _said(path, name=NAME):
    with pytest.raises(NbnetError) as caught:
        create_encoder(name, weights=path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_other_files_are_refused_in_one_sentence(network, weights, tmp_path):
    assert "no weights at" in _said(tmp_path / "missing.pt")
    path = tmp_path / "x.pt"
    path.write_bytes(b"<html>please log in</html>")
    assert "cannot be read as weights" in _said(path)
    torch.save({"logits.weight": torch.zeros(10575, 512)}, path)
    assert "trained on 10,575 people" in _said(path)
    torch.save({"last_bn.weight": torch.zeros(512)}, path)
    assert "does not hold the weights of facenet-vggface2" in _said(path)
    torch.save(network.state_dict() | {"block8.conv2d.bias": torch.zeros(5)}, path)
    assert "block8.conv2d.bias" in _said(path)


class _Program:
    """What a pickle may hold: a call that is made when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_program_in_a_weight_file_is_not_run(tmp_path):
    mark = tmp_path / "was-run"
    with open(tmp_path / "x.pt", "wb") as file:
        pickle.dump({"logits.weight": _Program(mark)}, file, protocol=2)
    assert "cannot be read as weights" in _said(tmp_path / "x.pt")
    torch.save({"logits.weight": _Program(mark)}, tmp_path / "y.pt")
    assert "cannot be read as weights" in _said(tmp_path / "y.pt")
    assert not mark.exists()


def test_without_weights_and_network_one_message_says_what_to_do(home):
    with pytest.raises(NbnetError) as caught:
        create_encoder(NAME, timeout=2)
    said = str(caught.value)
    assert said.startswith("the weights of facenet-vggface2 are not on this machine (could not")
    for word in (FILE, str(home / "checkpoints"), "--encoder-weights", "with a network"):
        assert word in said
    assert "\n" not in said
    with pytest.raises(NbnetError, match="downloading was switched off"):
        create_encoder(NAME, download=False)


@pytest.mark.parametrize("folder", ["checkpoints", "hub/checkpoints"])
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_both_caches_of_torch_are_looked_into(home, folder, ending):
    path = (home / folder / FILE).with_suffix(ending)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert find_weights(NAME) == path
    with pytest.raises(NbnetError, match="not on this machine"):
        find_weights("facenet-casia", download=False)


def test_weights_are_downloaded_once_to_where_facenet_pytorch_keeps_them(
    home, tmp_path, monkeypatch
):
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / FILE).write_bytes(bytes(range(256)) * 10)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "www")
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(facenet, "RELEASES", f"http://127.0.0.1:{server.server_port}")
        path = find_weights(NAME)
        server.shutdown()
    assert path == home / "checkpoints" / FILE
    assert path.read_bytes() == bytes(range(256)) * 10
    assert find_weights(NAME) == path  # no server any more
    path.write_bytes(b"others")
    with pytest.raises(NbnetError, match="not the file that was downloaded first"):
        find_weights(NAME)


def test_options_without_meaning_are_refused(weights):
    with pytest.raises(NbnetError, match="leave card out"):
        create_encoder(NAME, weights=weights, card={"channels": "bgr"})
    with pytest.raises(NbnetError, match="no option size"):
        create_encoder(NAME, weights=weights, size=3)
