"""Picture files as data sets hold them: what is read, with which notes, and what is refused why."""

import bz2
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from nbnet_lib.data import pictures
from nbnet_lib.data.pictures import (
    REASONS,
    Picture,
    PictureError,
    is_picture_name,
    read_picture,
)


@pytest.fixture(scope="module")
def image():
    """A colour gradient in which every corner differs, uint8 [48, 64, 3]."""
    ys, xs = np.mgrid[:48, :64]
    return np.stack([xs * 4, ys * 5, 255 - xs * 2 - ys], axis=2).astype(np.uint8)


def reason(path) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.reason in REASONS
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("ending", ["png", "ppm", "bmp", "tif", "webp"])
def test_exact_formats(image, tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(image).save(path, **({"lossless": True} if ending == "webp" else {}))
    picture = read_picture(path)
    assert isinstance(picture, Picture) and picture.notes == ()
    assert picture.image.dtype == np.uint8 and picture.image.flags.writeable
    np.testing.assert_array_equal(picture.image, image)


def test_packed_and_from_an_archive(image, tmp_path):
    Image.fromarray(image).save(tmp_path / "a.ppm")
    content = (tmp_path / "a.ppm").read_bytes()
    (tmp_path / "b.ppm.bz2").write_bytes(bz2.compress(content))
    np.testing.assert_array_equal(read_picture(tmp_path / "b.ppm.bz2").image, image)
    np.testing.assert_array_equal(read_picture("shard.tar/a.ppm", content=content).image, image)
    with pytest.raises(PictureError, match=r"shard.tar/a.ppm cannot be read .*\(it is empty\)"):
        read_picture("shard.tar/a.ppm", content=b"")


def test_grey_one_bit_and_palette(image, tmp_path):
    grey = Image.fromarray(image).convert("L")
    for name, one in (("l.png", grey), ("one.png", grey.convert("1")), ("l.jpg", grey)):
        one.save(tmp_path / name)
        picture = read_picture(tmp_path / name)
        assert picture.notes == ("grey",)
        assert (picture.image[..., 0] == picture.image[..., 2]).all()
    few = Image.fromarray(image).quantize(16)
    few.save(tmp_path / "palette.png")
    picture = read_picture(tmp_path / "palette.png")
    assert picture.notes == ()
    np.testing.assert_array_equal(picture.image, np.asarray(few.convert("RGB")))


def test_sixteen_bits_become_eight(image, tmp_path):
    deep = (image[..., 0].astype(np.uint16) * 257).clip(0, 65535)
    for name in ("deep.png", "deep.tif"):
        Image.fromarray(deep).save(tmp_path / name)
        picture = read_picture(tmp_path / name)
        assert picture.notes == ("16-bit", "grey")
        np.testing.assert_array_equal(picture.image[..., 1], image[..., 0])
    # 12 bits in a PGM: its header says that 4095 is white.
    header = b"P5\n64 48\n4095\n"
    twelve = (image[..., 0].astype(int) * 4095 // 255).astype(">u2")
    (tmp_path / "twelve.pgm").write_bytes(header + twelve.tobytes())
    picture = read_picture(tmp_path / "twelve.pgm")
    assert picture.notes == ("16-bit", "grey")
    assert np.abs(picture.image[..., 0].astype(int) - image[..., 0]).max() <= 1
    # In colour, Pillow itself keeps 8 bits and does not say so.
    colour = (image.astype(">u2") * 257).tobytes()
    (tmp_path / "colour.ppm").write_bytes(b"P6\n64 48\n65535\n" + colour)
    (tmp_path / "colour.png").write_bytes(deep_png(image))
    for name in ("colour.ppm", "colour.png"):
        picture = read_picture(tmp_path / name)
        assert picture.notes == ("16-bit",)
        assert np.abs(picture.image.astype(int) - image).max() <= 1


def deep_png(image: np.ndarray) -> bytes:
    """Return a PNG of 16 bits a channel, which Pillow does not write."""
    import zlib

    height, width = image.shape[:2]
    rows = (image.astype(">u2") * 257).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_ranges_that_nobody_knows(tmp_path):
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "f.tif")
    assert reason(tmp_path / "f.tif") == "unknown range"
    Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(tmp_path / "i.tif")
    assert reason(tmp_path / "i.tif") == "unknown range"


def test_cmyk(image, tmp_path):
    Image.fromarray(image).convert("CMYK").save(tmp_path / "inks.jpg", quality=98)
    picture = read_picture(tmp_path / "inks.jpg")
    assert picture.notes == ("CMYK",)
    assert np.abs(picture.image.astype(int) - image).mean() < 4  # not the negative of it
    # A profile that is none, and one of three colours instead of four inks.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for number, profile in enumerate((b"no profile", srgb)):
        path = tmp_path / f"{number}.jpg"
        Image.fromarray(image).convert("CMYK").save(path, quality=98, icc_profile=profile)
        picture = read_picture(path)
        assert picture.notes == ("CMYK", "CMYK profile damaged")
        assert np.abs(picture.image.astype(int) - image).mean() < 4


def test_alpha_is_laid_on_white(image, tmp_path):
    clear = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    clear[:10, :, 3] = 0
    clear[10:20, :, 3] = 128
    Image.fromarray(clear).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.notes == ("alpha",)
    assert (picture.image[:10] == 255).all()
    half = (image[10:20].astype(int) + 255) / 2
    assert np.abs(picture.image[10:20] - half).max() <= 2
    np.testing.assert_array_equal(picture.image[20:], image[20:])
    grey = Image.fromarray(clear).convert("LA")
    grey.save(tmp_path / "la.png")
    assert read_picture(tmp_path / "la.png").notes == ("grey", "alpha")


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif"])
def test_of_an_animation_the_first_frame(image, tmp_path, ending):
    frames = [Image.fromarray(image), Image.fromarray(255 - image)]
    exact = {"lossless": True} if ending == "webp" else {}
    path = tmp_path / f"a.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **exact)
    picture = read_picture(path)
    assert picture.notes == ("animated",)
    worst = 60 if ending == "gif" else 0  # a GIF has 256 colours
    assert np.abs(picture.image.astype(int) - image).max() <= worst


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_as_the_camera_was_held(image, tmp_path, ending, orientation):
    # What the camera stores, so that turning it as the tag says gives the image.
    stored = {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.transpose(1, 0, 2),
        6: np.rot90(image),
        7: image[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(image, -1),
    }[orientation]
    path = tmp_path / f"a.{ending}"
    one = Image.fromarray(np.ascontiguousarray(stored))
    exif = one.getexif()
    exif[0x0112] = orientation
    one.save(path, exif=exif, **({"quality": 100, "subsampling": 0} if ending == "jpg" else {}))
    picture = read_picture(path)
    assert picture.notes == (() if orientation == 1 else ("EXIF-turned",))
    assert picture.image.shape == image.shape
    assert np.abs(picture.image.astype(int) - image).max() <= (4 if ending == "jpg" else 0)


def test_damaged_exif_is_noted_and_the_picture_read(image, tmp_path):
    Image.fromarray(image).save(tmp_path / "a.png", exif=b"Exif\0\0NOT A TIFF HEADER")
    picture = read_picture(tmp_path / "a.png")
    assert picture.notes == ("EXIF damaged",)
    np.testing.assert_array_equal(picture.image, image)


@pytest.mark.parametrize("ending", ["png", "jpg", "ppm", "bmp", "tif", "webp", "gif"])
@pytest.mark.parametrize("share", [0.02, 0.9])
def test_truncated(image, tmp_path, ending, share):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    whole = tmp_path / f"whole.{ending}"
    Image.fromarray(noise).save(whole)
    content = whole.read_bytes()
    path = tmp_path / f"half.{ending}"
    path.write_bytes(content[: max(12, int(len(content) * share))])
    assert reason(path) in ("truncated", "damaged", "not a picture")
    if ending in ("png", "jpg", "ppm", "bmp", "gif"):
        assert reason(path) == "truncated"
    path = tmp_path / f"half.{ending}.bz2"
    path.write_bytes(bz2.compress(content)[: int(len(content) * 0.3)])
    assert reason(path) == "truncated"


def test_what_is_no_picture(image, tmp_path):
    for name, content, why in (
        ("text.jpg", b"<!DOCTYPE html><html>please log in</html>", "not a picture"),
        ("zero.png", b"", "zero bytes"),
        ("text.ppm.bz2", b"no archive", "not a picture"),
        ("broken.ppm.bz2", b"BZh9" + bytes(40), "damaged"),
        ("empty.ppm.bz2", bz2.compress(b""), "zero bytes"),
    ):
        (tmp_path / name).write_bytes(content)
        assert reason(tmp_path / name) == why, name
    assert reason(tmp_path / "nobody.png") == "missing"
    (tmp_path / "folder.png").mkdir()
    assert reason(tmp_path / "folder.png") == "unreadable"
    # A format that makes Pillow start Ghostscript is not looked at, whatever its ending.
    (tmp_path / "program.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert reason(tmp_path / "program.png") == "not a picture"


def test_too_large_and_too_small(image, tmp_path, monkeypatch):
    Image.fromarray(image).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="64x48 pixels, at least 49 are needed") as caught:
        read_picture(tmp_path / "a.png", smallest=49)
    assert caught.value.reason == "too small"
    monkeypatch.setattr(pictures, "MOST_PIXELS", 64 * 48 - 1)
    assert reason(tmp_path / "a.png") == "too large"
    monkeypatch.undo()
    # A header that promises 40,000 x 40,000 pixels: Pillow refuses it by itself.
    (tmp_path / "bomb.ppm").write_bytes(b"P6\n40000 40000\n255\n" + bytes(100))
    assert reason(tmp_path / "bomb.ppm") == "too large"
    monkeypatch.setattr(pictures, "MOST_BYTES", 10_000)
    (tmp_path / "bomb.ppm.bz2").write_bytes(bz2.compress(bytes(10_001)))
    assert reason(tmp_path / "bomb.ppm.bz2") == "too large"


def test_names():
    for name in ("a.png", "b/C.JPG", "x.ppm.bz2", "x.Tiff.BZ2"):
        assert is_picture_name(name)
    for name in ("pairs.txt", "a.png.txt", "png", "a.bz2", "a.npz"):
        assert not is_picture_name(name)
