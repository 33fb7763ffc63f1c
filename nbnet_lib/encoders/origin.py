"""Which recogniser made a template, or what was trained with its templates: name and SHA-256.

A name alone does not say it: the weights behind "synth" may change from one release to the next,
and every decoder that was trained against the earlier ones would draw strangers without a word. So
template files, cards, checkpoints and notes hold the SHA-256 of the weights beside the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nbnet_lib.errors import NbnetError

NAME, SHA256 = "encoder", "encoder_sha256"  # the entries of cards, notes and .npz files
DIGITS = 12  # that errors show


class Origin(NamedTuple):
    """A recogniser, as what was made with it remembers it.

    Attributes:
        name: what it was called; None where nothing says so.
        sha256: of its weights, 64 hexadecimal digits; None for a function, or where nothing says
            so. One network in two files (.pt and .onnx) has two.
    """

    name: str | None
    sha256: str | None

    def __str__(self) -> str:
        """Name and the first digits."""
        digits = f"SHA-256 {self.sha256[:DIGITS]}" if self.sha256 else "SHA-256 unknown"
        return f"{self.name} ({digits})"

    def entries(self) -> dict[str, str | None]:
        """Return what a card holds of it."""
        return {NAME: self.name, SHA256: self.sha256}

    def is_other(self, than: Origin) -> bool:
        """Whether both SHA-256 are known, and they differ."""
        return bool(self.sha256 and than.sha256 and self.sha256 != than.sha256)


def origin_of(encoder: Any) -> Origin:
    """Return the origin of templates that ``encoder`` makes now."""
    return Origin(str(encoder.name), getattr(encoder, "sha256", None))


def origin_in(entries: Mapping[str, Any]) -> Origin:
    """Return the origin that a card (or a note, or a file) holds, as far as it does."""
    return Origin(entries.get(NAME), entries.get(SHA256))


def require_same_origin(what: str, then: Origin, now: Origin) -> None:
    """Refuse to continue what another recogniser made.

    Args:
        what: the beginning of the sentence: "FILE holds templates of".
        then: whose it is.
        now: whose it would become; nothing is refused where either SHA-256 is unknown.

    Raises:
        NbnetError: the weights of the two recognisers differ.
    """
    if then.is_other(now):
        raise NbnetError(
            f"{what} {then}, but the recogniser is now {now}: give the one of then, or start anew "
            "in another folder (--out)"
        )


def require_trained_against(
    decoder: str, card: Mapping[str, Any], given: Origin, templates: str
) -> list[str]:
    """Refuse templates of another recogniser than the decoder's; note where nobody knows.

    Args:
        decoder: its name.
        card: its card; an empty one says nothing and is asked nothing (trained just now).
        given: origin of the templates.
        templates: what sentences call them, in the plural.

    Returns:
        one sentence where names differ or a SHA-256 is missing, otherwise none.

    Raises:
        NbnetError: the weights of the two recognisers differ.
    """
    trained = origin_in(card)
    if trained.is_other(given):
        raise NbnetError(
            f"{decoder} was trained against {trained}, but {templates} are of {given}: train a "
            "decoder against the latter (nbnet train), or take templates of the former"
        )
    if not card or (trained.sha256 and given.sha256):
        return []
    if trained.name is None:
        doubt = f"the card of {decoder} does not say against which encoder it was trained"
    elif given.name is None:
        doubt = f"{templates} do not say of which encoder they are; {decoder} was trained against "
        doubt += str(trained)
    elif trained.name != given.name:
        doubt = f"{decoder} was trained against the encoder {trained.name}, and {templates} are of "
        doubt += given.name
    else:
        doubt = f"{decoder} was trained against {trained}, and {templates} are of {given}"
    advice = "" if trained.sha256 else "; if in doubt, train a decoder anew (nbnet train)"
    return [f"{doubt}: what it makes of them means little, unless both are one recogniser{advice}"]
