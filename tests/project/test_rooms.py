"""The shape of the library: one direction of imports, room budgets, few parameters, no circles."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ["faces", "data", "encoders", "decoders", "attack", "evaluate", "course", "cli"]

# Code lines (no blanks, comments, docstrings) that a room may have. A budget is a direction, not a
# wall: who needs more raises the number here and says in the same commit what for.
BUDGETS = {
    "nbnet_lib": 18_600,
    "nbnet_lib/attack": 2_290,
    "nbnet_lib/cli": 2_380,
    "nbnet_lib/course": 650,
    "nbnet_lib/data": 2_880,
    "nbnet_lib/decoders": 1_470,
    "nbnet_lib/encoders": 2_010,
    "nbnet_lib/evaluate": 5_480,
    "nbnet_lib/faces": 830,
    "synthfaces": 4_660,
    "course_checks": 2_750,
    "tools": 1_530,
}

MOST_PARAMETERS = 8  # options belong in a dataclass
# Those with more that are left; nobody joins them.
MANY_PARAMETERS = {
    # Kernels: numba takes plain arrays and numbers.
    "decoders.fast.kernels.finish",
    "decoders.fast.kernels.through_relu",
    # Public, and called with keywords.
    "encoders.base.__init__",
    "encoders.train.train_encoder",
    "evaluate.attack.evaluate_attack",
}

NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def code_lines(text: str) -> int:
    """Return how many lines hold code: no blank lines, comments and docstrings."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                docstrings.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def imported(node: ast.AST, types: bool = False) -> Iterator[str]:
    """Yield the modules that a tree imports, inside functions too; those for types if asked."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.module and not child.level, "imports are absolute"
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif types or not (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        ):
            yield from imported(child, types)


def module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


@pytest.fixture(scope="module")
def trees(root) -> dict[str, ast.Module]:
    """Every module of the library, by its name."""
    paths = (root / "nbnet_lib").rglob("*.py")
    return {module_name(path, root): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def room_of(module: str) -> str:
    """Return the room of ``nbnet_lib.room.module``; what all rooms use counts as "base"."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "base"


def test_no_room_imports_from_its_right(trees):
    order = ["base", *ROOMS]
    for module, tree in trees.items():
        if module in ("nbnet_lib", "nbnet_lib.__main__"):
            continue
        right = order[order.index(room_of(module)) + 1 :]
        wrong = {
            n
            for n in imported(tree, types=True)
            if n.startswith("nbnet_lib.") and room_of(n) in right
        }
        assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


def test_the_renderer_stands_alone(root):
    for path in (root / "synthfaces").rglob("*.py"):
        names = imported(ast.parse(path.read_text(encoding="utf-8")), types=True)
        wrong = {name for name in names if name.partition(".")[0] in ("nbnet_lib", "course_checks")}
        assert not wrong, f"{path.relative_to(root)} imports {', '.join(sorted(wrong))}"


def test_nothing_imports_in_a_circle(trees):
    arrows = {
        module: {name for name in imported(tree) if name in trees and name != module}
        for module, tree in trees.items()
    }
    found, state = set(), {}

    def visit(module: str) -> None:
        state[module] = "open"
        for other in arrows[module]:
            # A package and its own modules import each other by nature.
            family = module.startswith(f"{other}.") or other.startswith(f"{module}.")
            if state.get(other) == "open" and not family:
                found.add((module, other))
            elif other not in state:
                visit(other)
        state[module] = "done"

    for module in sorted(arrows):
        if module not in state:
            visit(module)
    assert not found


def test_functions_have_few_parameters(trees):
    found = set()
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = node.args
                names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
                if len([name for name in names if name not in ("self", "cls")]) > MOST_PARAMETERS:
                    found.add(f"{module.removeprefix('nbnet_lib.')}.{node.name}")
    assert found == MANY_PARAMETERS


@pytest.mark.parametrize("room", BUDGETS)
def test_room_keeps_its_budget(root, room):
    paths = (root / room).rglob("*.py")
    found = sum(code_lines(path.read_text(encoding="utf-8")) for path in paths)
    assert found <= BUDGETS[room]


def test_code_lines_are_counted_without_what_explains():
    text = '"""Doc."""\n\n# why\nx = """a\n\nb"""  # not a docstring\n\n\ndef f():\n    """D."""\n'
    assert code_lines(text) == 4
