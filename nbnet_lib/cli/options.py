"""Command-line options from the fields of a dataclass, so that each is named once.

A field is an option if its metadata has a "help"; see `nbnet_lib.settings.option` for the rest of
the metadata. argparse is left to do the work; the values come back with `given`.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from nbnet_lib.cli.shared import positive, whole


def add_options(parser: argparse.ArgumentParser, *settings: type, defaults: bool = True) -> None:
    """Add the options of dataclasses to a parser, those with a "group" in their metadata there.

    Args:
        parser: of the command.
        *settings: dataclasses.
        defaults: False sets nothing for an option that was not given, so that a recipe may decide.
    """
    groups: dict[str, Any] = {}
    for field in (field for each in settings for field in fields(each)):
        metadata, kind = field.metadata, str(field.type)
        if "help" not in metadata:
            continue
        target: Any = parser
        if title := metadata.get("group"):
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            target = groups[title]
        how: dict[str, Any]
        if kind == "bool":
            negatable = metadata.get("negatable")
            how = {"action": argparse.BooleanOptionalAction if negatable else "store_true"}
        else:
            number = positive if "above" in metadata else float
            limit = metadata.get("at_least")
            of = {"int": whole(limit or 0), "float": number}.get(kind.partition(" ")[0], str)
            how = {"type": of, "metavar": metadata.get("metavar")}
        flag = "--" + metadata.get("flag", field.name).replace("_", "-")
        target.add_argument(
            flag,
            dest=field.name,
            default=field.default if defaults else argparse.SUPPRESS,
            help=metadata["help"],
            **how,
        )


def given(args: argparse.Namespace, *settings: type) -> dict[str, Any]:
    """Return the values of the options of `add_options` that were given, by field."""
    names = {field.name for each in settings for field in fields(each) if "help" in field.metadata}
    return {name: value for name, value in vars(args).items() if name in names}
