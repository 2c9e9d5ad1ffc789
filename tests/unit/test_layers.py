"""Imports run one way, as `ryu_vnet/__init__.py` says; only one module knows the framework, none knows Mininet.

Sources are parsed, not imported: what stands under `if TYPE_CHECKING` or inside a function counts like the rest.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "ryu_vnet"
ROOT = Path(__file__).parents[2] / PACKAGE

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "model": {"errors"},
    "fabric": {"errors", "model"},
    "compiler": {"errors", "model", "fabric"},
    "openflow": {"errors", "model", "fabric", "compiler"},
    "verify": {"errors", "model", "fabric", "compiler"},
    "store": {"errors", "model"},
    "policy_schema": {"errors", "model"},
    "schema": {"errors", "model", "policy_schema"},
    "services": {"errors", "model"},
    "managers": {
        *("errors", "model", "fabric", "compiler", "openflow", "verify", "store", "schema", "policy_schema"),
        "services",
    },
    "settings": {"errors"},
    "framework": {"errors", "openflow", "settings"},
}
"""For each inner room, the rooms that it may import. A room not listed stands outermost: it may import every room
that does not import it, and no inner room may import it."""

FRAMEWORKS = {"ryu", "os_ken"}
FRAMEWORK_ROOM = "framework"

PURE = {"errors", "model", "fabric", "compiler", "openflow", "verify", "services"}
"""Rooms of values and functions over them: what they compute can be replayed, so they have no clock, chance or I/O."""
IMPURE = {"asyncio", "eventlet", "random", "requests", "select", "socket", "sqlite3", "subprocess", "threading", "time"}


def violations(root: Path) -> list[str]:
    """Every import under the package's folder that breaks a rule, as `file:line: what is wrong`, sorted by place."""
    found: list[str] = []
    for path in sorted(root.rglob("*.py")):
        module = path.relative_to(root.parent).with_suffix("").parts
        for line, target in imports(ast.parse(path.read_text(), str(path)), module):
            problem = problem_with(room_of(module), target)
            if problem:
                found.append(f"{path.relative_to(root.parent)}:{line}: {problem}")
    return [*dict.fromkeys(found), *circles(root)]


def imports(tree: ast.Module, module: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each (line, dotted name as a tuple) that a module imports, relative names made absolute.

    `from a import b` gives a.b: b may be a module of the package a. Names handed to `import_module` or `__import__`
    as a literal count as well.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, tuple(alias.name.split("."))) for alias in names)
            case ast.ImportFrom(module=name, names=names, level=level):
                # One dot is the module's own package; for an __init__ too, whose last part is "__init__".
                base = module[: len(module) - level] if level else ()
                stem = base + tuple(name.split(".") if name else ())
                yield from ((node.lineno, (*stem, alias.name)) for alias in names)
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if called(function):
                yield node.lineno, tuple(name.split("."))


def called(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def room_of(name: tuple[str, ...]) -> str:
    """The room a module of the package is in: `compiler` for ryu_vnet.compiler.rows; `__init__` for the package."""
    return name[1] if len(name) > 1 else "__init__"


def problem_with(room: str, target: tuple[str, ...]) -> str | None:
    top = target[0]
    if top == "mininet":
        return f"{room} imports mininet: the product does not know the laboratory"
    if top in FRAMEWORKS and room != FRAMEWORK_ROOM:
        return f"{room} imports {top}: only {FRAMEWORK_ROOM} may"
    if top in IMPURE and room in PURE:
        return f"{room} imports {top}: it is to be a pure function of values"
    if top == PACKAGE and room in MAY_IMPORT and room_of(target) not in {room, *MAY_IMPORT[room]}:
        return f"{room} imports {PACKAGE}.{room_of(target)}: it may import {sorted(MAY_IMPORT[room])} alone"
    return None


def circles(root: Path) -> list[str]:
    """A circle of rooms, if there is one; among the outermost rooms this is what is left to forbid."""
    graph: dict[str, set[str]] = {}
    for path in sorted(root.rglob("*.py")):
        module = path.relative_to(root.parent).with_suffix("").parts
        ours = (target for _, target in imports(ast.parse(path.read_text()), module) if target[0] == PACKAGE)
        graph.setdefault(room_of(module), set()).update({room_of(target) for target in ours} - {room_of(module)})
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [f"rooms import each other in a circle: {' <- '.join(error.args[1])}"]
    return []


def test_the_package_keeps_the_rules() -> None:
    assert violations(ROOT) == []


def test_there_is_something_to_check() -> None:
    assert len(list(ROOT.rglob("*.py"))) > 10
    modules = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")}
    assert {"errors", "model", "fabric", "compiler", "store"} <= modules


GOOD = {
    "__init__.py": "",
    "errors.py": "import enum",
    "model/__init__.py": "from ..errors import VnetError",
    "fabric/graph.py": "import networkx\nfrom ..model import values\nfrom .. import errors",
    "compiler/__init__.py": "from . import rows\nfrom .rows import Row\nfrom ..fabric.graph import Graph",
    "compiler/rows.py": "from ryu_vnet.model.values import Node",
    "store/sqlite.py": "import sqlite3\nfrom ..errors import StoreError\nfrom .interface import Document",
    "framework.py": "import importlib\nimportlib.import_module('ryu.lib.hub')\nfrom os_ken.lib import hub",
    "app.py": "from . import framework, managers, api\nimport time",
    "api/web.py": "from ..managers.system import SystemManager",
}


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / PACKAGE


def test_a_tree_that_keeps_the_rules_passes(tmp_path: Path) -> None:
    assert violations(tree(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("model/values.py", "from ..fabric import graph", "model/values.py:1: model imports ryu_vnet.fabric"),
        ("model/values.py", "import os\nfrom .. import fabric", "model/values.py:2: model imports ryu_vnet.fabric"),
        ("model/values.py", "import ryu_vnet.store.sqlite as s", "model imports ryu_vnet.store"),
        (
            "model/values.py",
            "def f():\n    from ..compiler.rows import Row",
            "values.py:2: model imports ryu_vnet.comp",
        ),
        ("model/values.py", "from .. import *", "model imports ryu_vnet.*"),
        ("model/values.py", "import socket", "model imports socket"),
        ("fabric/__init__.py", "from ..compiler import rows", "fabric imports ryu_vnet.compiler"),
        ("store/etcd.py", "from ..fabric import graph", "store imports ryu_vnet.fabric"),
        ("verify/walk.py", "from ..openflow import wire", "verify imports ryu_vnet.openflow"),
        ("openflow/wire.py", "from ryu.ofproto import ofproto_v1_4", "openflow imports ryu: only framework may"),
        ("openflow/deep/wire.py", "from ...verify import walk", "openflow imports ryu_vnet.verify"),
        ("managers/system.py", "from ..framework import hub", "managers imports ryu_vnet.framework"),
        ("managers/system.py", "from ..api import web", "managers imports ryu_vnet.api"),
        ("app.py", "import os_ken.base.app_manager", "app imports os_ken: only framework may"),
        ("app.py", "if TYPE_CHECKING:\n    import ryu", "app.py:2: app imports ryu: only framework may"),
        ("api/web.py", "__import__('os_ken')", "api imports os_ken: only framework may"),
        ("cli/main.py", "import importlib\nimportlib.import_module('ryu.cmd.manager')", "main.py:2: cli imports ryu"),
        ("cli/main.py", "from mininet.net import Mininet", "cli imports mininet"),
        ("api/web.py", "from .. import app", "in a circle"),
    ],
)
def test_each_kind_of_violation_is_found(tmp_path: Path, name: str, text: str, expected: str) -> None:
    found = violations(tree(tmp_path, {**GOOD, name: text}))
    assert any(expected in problem for problem in found), found
