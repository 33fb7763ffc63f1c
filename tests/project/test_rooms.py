"""The rooms of nbnet_lib import in one direction only."""

import ast
from pathlib import Path

import pytest

ROOMS = ["faces", "data", "encoders", "decoders", "attack", "evaluate", "course", "cli"]
BASE = ["errors", "settings", "files", "array_cache", "device", "identities", "weights"]


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}: imports in nbnet_lib are absolute"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        rooms |= {n.split(".")[1] for n in names if n.startswith("nbnet_lib.")}
    return rooms & {*ROOMS, *BASE}


@pytest.mark.parametrize("room", [*BASE, *ROOMS])
def test_no_room_imports_from_its_right(root, room):
    package = root / "nbnet_lib"
    files = [package / f"{room}.py"] if room in BASE[:-1] else (package / room).rglob("*.py")
    allowed = {*BASE, *ROOMS[: ROOMS.index(room) + 1]} if room in ROOMS else set(BASE)
    for path in files:
        wrong = imported_rooms(path) - allowed
        assert not wrong, f"{path.relative_to(root)} imports {', '.join(sorted(wrong))}"
