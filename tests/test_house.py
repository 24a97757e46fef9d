"""The rooms of CONTRIBUTING.md: imports go down only, and never in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

HOUSE = Path(__file__).parent.parent
_LIST = re.findall(r"^\| (`.*?) \|", (HOUSE / "CONTRIBUTING.md").read_text(), re.MULTILINE)
FLOORS = [re.findall(r"`(\w+)`", rooms) for rooms in _LIST]
"""the rooms of each floor, from the top"""
FOR_ALL = {"theta_checkpoint.failure", "theta_checkpoint.printable"}
"""how a failure is told"""
MODULES = {
    ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
    for floor in FLOORS
    for room in floor
    for path in (HOUSE / room).rglob("*.py")
}


def _imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """The modules of ours that these statements import."""
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.module
            assert not node.level
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name in MODULES:
                yield name
            elif (outer := name.rpartition(".")[0]) in MODULES:
                yield outer


def _always(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when the module is imported: nothing in functions, nothing for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        lazy = isinstance(child, ast.FunctionDef | ast.Lambda)
        if not lazy and not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _always(child)


def test_every_package_has_its_floor() -> None:
    packages = {path.parent.name for path in HOUSE.glob("*/py.typed")}
    assert packages == {room for floor in FLOORS for room in floor}
    assert len(packages) == 9


def test_imports_go_down() -> None:
    upwards = []
    for number, floor in enumerate(FLOORS):
        below = {room for lower in FLOORS[number + 1 :] for room in lower}
        for module in (module for module in MODULES if module.split(".")[0] in floor):
            known = {module.split(".")[0], *below}
            imported = set(_imported(ast.walk(MODULES[module]))) - FOR_ALL
            upwards += [(module, name) for name in imported if name.split(".")[0] not in known]
    assert upwards == []


def test_no_import_is_circular() -> None:
    TopologicalSorter({module: set(_imported(_always(tree))) - {module} for module, tree in MODULES.items()}).prepare()
