"""Reading a picture file of somebody else's data set, or saying in one word why it cannot be read.

Face data sets are collections of files from many cameras and many years, and a few of them are
never what their ending says. A file that is read comes back as 8-bit RGB, the right way up, with
notes on what had to be changed for that; one that is not raises `PictureError` with a reason from
a fixed list, so that failures can be counted.

Colour profiles are used for CMYK only, where there is no picture without them. Other profiles are
left alone: recognisers learnt from pixels whose profile nobody had looked at.
"""

from __future__ import annotations

import bz2
import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from nbnet_lib.errors import NbnetError

# What a picture file may be: anything here, and each of them packed with bzip2 (as FERET comes).
ENDINGS = (".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp", ".gif")
# The readers that may look at a file, whatever its ending: Pillow has many more, and some of them
# start other programs.
FORMATS = ("PNG", "JPEG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
# How files of these formats begin.
_FIRST = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"P5", b"P6")

# What Pillow's readers raise of broken files; 60,000 files with random faults raised nothing else.
_BROKEN = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    struct.error,
)

MOST_PIXELS = 100_000_000  # 300 MB in memory; more than data sets of faces hold
MOST_BYTES = 8 * MOST_PIXELS  # of a file that is unpacked

REASONS = (
    "missing",
    "unreadable",  # the system does not give the file out: access denied, a folder, a broken disk
    "zero bytes",
    "not a picture",
    "truncated",
    "damaged",
    "unknown range",  # numbers of which nobody says what is black and what is white
    "too large",
    "too small",
)
_ORIENTATION = 0x0112  # EXIF and TIFF: how the camera was held
_BITS_PER_SAMPLE = 258  # TIFF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PictureError(NbnetError):
    """A file that cannot be read as a picture.

    Attributes:
        reason: one of `REASONS`.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str, detail: str):
        self.reason, self.detail = reason, detail
        if reason == "missing":
            text = f"{path} is missing: put the picture there, or take it off the list"
        else:
            text = f"{path} cannot be read as a picture ({detail}): replace the file"
        super().__init__(text)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that was read.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        notes: what was changed on the way, in that order: "16-bit", "grey", "CMYK",
            "CMYK profile damaged", "alpha" (laid on white), "animated" (the first of several
            frames), "EXIF-turned", "EXIF damaged".
    """

    image: np.ndarray
    notes: tuple[str, ...] = ()


def is_picture_name(name: str) -> bool:
    """Return whether a file is a picture by its ending."""
    name = name.lower()
    return name.removesuffix(".bz2").endswith(ENDINGS)


def is_hidden(name: str) -> bool:
    """Return whether a path, or a folder on it, is hidden; macOS leaves such beside pictures."""
    return "/." in f"/{name}"


def walk(root: Path) -> Iterator[tuple[str, bool]]:
    """Yield (path below ``root``, whether it is a folder that is only linked) of all files.

    Folder by folder, in order of names. Linked folders are not entered: they may lead in a circle.

    Raises:
        NbnetError: a folder that cannot be read; `os.walk` would leave it out without a word.
    """

    def fail(error: OSError) -> None:
        raise NbnetError(
            f"the folder {error.filename} cannot be read ({error.strerror}): give yourself access"
        ) from error

    for at, folders, files in os.walk(root, onerror=fail):
        folders.sort()
        inner = Path(at).relative_to(root).as_posix()
        place = "" if inner == "." else f"{inner}/"
        yield from ((f"{place}{name}", False) for name in sorted(files))
        links = (name for name in folders if os.path.islink(os.path.join(at, name)))
        yield from ((f"{place}{name}", True) for name in links)


def read_picture(
    path: str | os.PathLike[str], smallest: int = 1, content: bytes | None = None
) -> Picture:
    """Read a picture file.

    Args:
        path: a file of one of `FORMATS`, or such a file packed with bzip2 (ending ".bz2").
        smallest: pixels that both sides must have at least.
        content: the bytes of the file, where an archive holds them: ``path`` only names it then.

    Raises:
        PictureError: it cannot be read; see `REASONS`.
    """
    path = Path(path)
    content = _bytes(path) if content is None else content
    if content and path.suffix.lower() == ".bz2":
        content = _unpacked(path, content)
    if not content:
        raise PictureError(path, "zero bytes", "it is empty")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise Image.DecompressionBombError(f"{width}x{height} pixels")
            if min(width, height) < smallest:
                raise PictureError(
                    path, "too small", f"{width}x{height} pixels, at least {smallest} are needed"
                )
            notes = ["animated"] if getattr(opened, "n_frames", 1) > 1 else []
            if _deep(opened):
                notes.append("16-bit")
            turned_by_reader = _tiff_tag(opened, _ORIENTATION, 1) in _TURNS
            opened.load()
            turn = _turn(opened, notes)
            image = _to_rgb(path, opened, notes)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        most = f"{MOST_PIXELS / 1e6:.0f} million are the limit"
        raise PictureError(path, "too large", f"{error}; {most}") from error
    except UnidentifiedImageError as error:
        # A picture that ends within its header looks like no picture to Pillow.
        if content.startswith(_FIRST):
            raise PictureError(path, "truncated", "it ends within its header") from error
        raise PictureError(path, "not a picture", f"none of {', '.join(FORMATS)}") from error
    except _BROKEN as error:
        raise PictureError(path, _reason(error), str(error) or type(error).__name__) from error
    if turn is not None:
        image = image.transpose(turn)
    if turn is not None or turned_by_reader:
        notes.append("EXIF-turned")
    return Picture(np.array(image), tuple(notes))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(path, "missing", "no such file") from error
    except OSError as error:
        raise PictureError(path, "unreadable", error.strerror or str(error)) from error


def _unpacked(path: Path, content: bytes) -> bytes:
    """Return what is packed with bzip2, up to a limit."""
    unpacking = bz2.BZ2Decompressor()
    try:
        unpacked = unpacking.decompress(content, MOST_BYTES)
    except OSError as error:
        reason = "damaged" if content.startswith(b"BZh") else "not a picture"
        raise PictureError(path, reason, f"bzip2: {error}") from error
    if not unpacking.eof:
        if len(unpacked) >= MOST_BYTES:
            detail = f"more than {MOST_BYTES / 1e6:.0f} MB when unpacked"
            raise PictureError(path, "too large", detail)
        raise PictureError(path, "truncated", "bzip2: it ends too soon")
    return unpacked


def _reason(error: Exception) -> str:
    said = str(error).lower()
    ends = any(
        word in said for word in ("truncated", "unexpected end", "not enough", "ends before")
    )
    return "truncated" if ends or isinstance(error, EOFError) else "damaged"


def _turn(opened: Image.Image, notes: list[str]) -> Image.Transpose | None:
    """Return what brings a picture upright that has been loaded, as the camera wrote into the file.

    Not before: for a PNG, Pillow reads the whole file to find the tag.
    """
    try:
        return _TURNS.get(opened.getexif().get(_ORIENTATION, 1))
    except _BROKEN:
        notes.append("EXIF damaged")  # the pixels are whole
        return None


def _tiff_tag(opened: Image.Image, tag: int, default: Any) -> Any:
    """Return a tag of a TIFF, and the default for other files."""
    return getattr(opened, "tag_v2", {}).get(tag, default)


def _deep(opened: Image.Image) -> bool:
    """Return whether a file has more than 8 bits a channel; Pillow keeps 8 of colour pictures."""
    bits = _tiff_tag(opened, _BITS_PER_SAMPLE, ())
    if any(b > 8 for b in (bits if isinstance(bits, tuple) else (bits,))):
        return True
    for tile in getattr(opened, "tile", ()):
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if tile[0].startswith("ppm"):  # ("L" or "RGB", the number that is white)
            return args[-1] > 255
        if isinstance(args[0], str) and "16" in args[0]:
            return True
    return opened.mode.startswith(("I", "F"))


def _to_rgb(path: Path, opened: Image.Image, notes: list[str]) -> Image.Image:
    """Return the picture as 8-bit RGB, and add to the notes what had to be changed."""
    image = opened
    if image.mode.startswith("I"):
        # 16 bits, in whatever type Pillow gives them; a PGM's are scaled to 16 already.
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            detail = f"{image.mode}: values from {values.min()} to {values.max()}"
            raise PictureError(path, "unknown range", detail)
        image = Image.fromarray(np.rint(values / 257).astype(np.uint8))
    elif image.mode.startswith("F"):
        raise PictureError(path, "unknown range", f"floating-point numbers, {image.mode}")
    if image.mode == "CMYK":
        notes.append("CMYK")
        return _from_cmyk(image, notes)
    if image.mode in ("1", "L", "LA", "La"):
        notes.append("grey")
    if image.has_transparency_data:
        notes.append("alpha")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_cmyk(image: Image.Image, notes: list[str]) -> Image.Image:
    """Turn the four inks of a printer into RGB, by the profile in the file where it has one."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            turned = ImageCms.profileToProfile(
                image, inks, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            if turned is not None:
                return turned
        except (OSError, ImageCms.PyCMSError):
            notes.append("CMYK profile damaged")  # or not one of four inks
    return image.convert("RGB")
