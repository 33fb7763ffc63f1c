"""A file that somebody else serves: where it is, and how to tell that a copy of it is right.

The checksum is what makes a mirror harmless: whoever serves the bytes, they are the published ones
or they are refused. A file without one is only taken over https, where at least the server is the
one that was meant.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import string
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from nbnet_lib.errors import NbnetError

BLOCK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes:
        name: what the file is called in the user's folder; no folders in it.
        urls: where it is served, in the order of preference (https comes before http in any case).
            Empty for what is only given on request: `fetch` then takes the copy in the folder.
        sha256: its SHA-256, 64 hexadecimal digits, or None where none is published.
        md5: its MD5, 32 hexadecimal digits, or None. Older data sets publish only this one.
        bytes: its length, or None.

    Raises:
        NbnetError: a name with folders in it, a checksum of the wrong length, an address that is
            not http(s), or an http address (other than this machine's) without a checksum.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    md5: str | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        if not self.name or self.name.startswith(".") or set(self.name) & set('/\\:*?"<>|\0'):
            raise NbnetError(
                f"{self.name!r} is no file name: give a name without folders, such as 'lfw.tgz'"
            )
        if isinstance(self.urls, str):
            raise NbnetError(f"the urls of {self.name} are one text: give a tuple of addresses")
        object.__setattr__(self, "urls", tuple(self.urls))
        for kind, digits in (("sha256", 64), ("md5", 32)):
            value = getattr(self, kind)
            if value is None:
                continue
            if len(value) != digits or set(value) - set(string.hexdigits):
                raise NbnetError(
                    f"the {kind} of {self.name} is {value!r}: expected {digits} hexadecimal digits"
                )
            object.__setattr__(self, kind, value.lower())
        if self.bytes is not None and self.bytes < 0:
            raise NbnetError(f"the length of {self.name} is {self.bytes}: expected 0 or more bytes")
        for url in self.urls:
            self.check_address(url)

    def check_address(self, url: str) -> None:
        """Raise `NbnetError` for an address that this file must not be taken from (see above)."""
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise NbnetError(f"{url!r} of {self.name} is no web address: expected https://...")
        if parts.scheme == "http" and not self.has_checksum and not is_this_machine(parts.hostname):
            raise NbnetError(
                f"{url} of {self.name} is not encrypted and no checksum is known, so anybody on "
                "the way could change it: give its sha256 or an https address"
            )

    @property
    def has_checksum(self) -> bool:
        """Tell whether a copy can be verified."""
        return bool(self.sha256 or self.md5)

    @property
    def checksum(self) -> str:
        """The checksum as users compare it: "SHA-256 ab12...", "MD5 cd34..." or "" if unknown."""
        if self.sha256:
            return f"SHA-256 {self.sha256}"
        return f"MD5 {self.md5}" if self.md5 else ""

    def fault(self, path: str | os.PathLike[str], progress: bool = False) -> str | None:
        """Tell what is wrong with a copy of this file: one clause, or None when it is right.

        The length is compared first (it costs nothing), then SHA-256 where known, else MD5.
        ``progress`` shows a bar on stderr when that takes longer than a second.
        """
        length = Path(path).stat().st_size
        if self.bytes is not None and length != self.bytes:
            return f"it has {length:,} bytes, expected {self.bytes:,}"
        if not self.has_checksum:
            return None
        found = checksum_of(path, "sha256" if self.sha256 else "md5", progress)
        expected = self.sha256 or self.md5
        if found == expected:
            return None
        return f"its {'SHA-256' if self.sha256 else 'MD5'} is {found}, expected {expected}"


def is_https(url: str) -> bool:
    """Tell whether an address is encrypted."""
    return urlsplit(url).scheme == "https"


def is_this_machine(host: str) -> bool:
    """Tell whether a host name or address is this machine's own (what it serves stays on it)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checksum_of(path: str | os.PathLike[str], kind: str, progress: bool = False) -> str:
    """Return the "sha256" or "md5" of a file as lower-case hexadecimal digits."""
    path = Path(path)
    digest = hashlib.new(kind, usedforsecurity=False)
    with (
        open(path, "rb") as file,
        tqdm(
            total=path.stat().st_size,
            desc=f"checking {path.name}",
            unit="B",
            unit_scale=True,
            delay=1,
            disable=not progress,
        ) as bar,
    ):
        while block := file.read(BLOCK):
            digest.update(block)
            bar.update(len(block))
    return digest.hexdigest()
