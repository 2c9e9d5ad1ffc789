"""An intent file, YAML or JSON, with the line of everything in it."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import yaml

from ..errors import Invalid, Problem

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where there is one: ten times faster."""
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class IntentFile:
    """What a file holds, and its nodes, which know their lines."""

    name: str
    intent: dict[str, Any]
    root: yaml.Node

    @classmethod
    def read(cls, path: str) -> IntentFile:
        """Read a file; `-` is stdin. Raises Invalid for what is no YAML, with the line."""
        with _nothing_collected():
            return cls._read(path)

    @classmethod
    def _read(cls, path: str) -> IntentFile:
        name = "<stdin>" if path == "-" else path
        text = _text(path, name)
        if path.endswith(".json"):
            # YAML contains JSON, except that it forbids tabs between things; inside strings JSON forbids them too.
            text = text.replace("\t", " ")
        try:
            loader = _LOADER(text)
            root = loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            what = ", ".join(part for part in (error.context, error.problem) if part)
            raise Invalid(Problem(f"{name}:{line}", what, "the file is to be YAML or JSON")) from None
        except yaml.YAMLError as error:
            raise Invalid(Problem(name, str(error), "the file is to be YAML or JSON")) from None
        if not isinstance(root, yaml.MappingNode):
            raise Invalid(Problem(f"{name}:1", "the file holds no intent", "`fabric:` and `tenants:` at the left edge"))
        reader = _Reader(name, loader)
        intent = reader.plain(root, "")
        if reader.found:
            raise Invalid(reader.found)
        return cls(name, intent, root)

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of the controller with file and line, by line; those of what is not in this file come last."""
        found = [self._placed(problem) for problem in problems]
        return [problem for _, problem in sorted(found, key=lambda part: part[0])]

    def _placed(self, problem: Problem) -> tuple[float, Problem]:
        path = problem.where
        length, node, line = _find(self.root, path, self.root.start_mark.line)
        if re.search(r"[^.\[][.\[]", path[length:]):
            # Not a field that is missing here, but something that an earlier request made.
            message = f"{problem.message} (it is not in this file, but was there before)"
            return inf, replace(problem, where=f"{self.name}: {path}", message=message)
        where = f"{self.name}:{line + 1}" + (f": {path}" if path else "")
        if isinstance(node, yaml.ScalarNode) and problem.message.endswith(" is not text") and not node.style:
            # A number where text was meant: YAML takes 1.10 for 1.1.
            return line, Problem(where, f"{node.value} is not text to YAML", f'write it in quotes: "{node.value}"')
        return line, replace(problem, where=where)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Without the garbage collector, which would look again and again through a million things that are all needed: it
    took 16 of the 19 seconds that a file of 50,000 nodes did."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _text(path: str, name: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(
            Problem(name, f"cannot be read: {error.strerror}", "the path of a file, or - for stdin")
        ) from None
    except UnicodeDecodeError as error:
        raise Invalid(Problem(name, f"is not text in UTF-8 (byte {error.start})", "YAML or JSON")) from None


class _Reader:
    """Makes plain values of YAML nodes, and collects what JSON could not say or what YAML would silently lose."""

    def __init__(self, name: str, loader: Any) -> None:
        self.found: list[Problem] = []
        self._name = name
        self._loader = loader
        self._open: set[int] = set()

    def plain(self, node: yaml.Node, where: str) -> Any:
        """A node as dictionaries, lists, texts and numbers."""
        if id(node) in self._open:
            self._refuse(node, where, "it contains itself", "no alias inside what it names")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, where)
            if isinstance(node, yaml.SequenceNode):
                return [self.plain(part, f"{where}[{index}]") for index, part in enumerate(node.value)]
            return self._scalar(node, where)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, where: str) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(key, where, "a name is to be text", "name: value")
                continue
            place = f"{where}.{key.value}" if where else key.value
            if key.tag != "tag:yaml.org,2002:str":
                self._refuse(key, place, f"{key.value} is not text to YAML", f'write it in quotes: "{key.value}"')
            elif key.value in plain:
                self._refuse(
                    key, place, f"{key.value} occurs twice, first in line {lines[key.value]}", "each name once"
                )
            else:
                lines[key.value] = key.start_mark.line + 1
                plain[key.value] = self.plain(value, place)
        return plain

    def _scalar(self, node: yaml.Node, where: str) -> Any:
        try:
            value = self._loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError):
            value = object()
        if not isinstance(value, _PLAIN):
            self._refuse(node, where, f"{node.value} is not text to YAML", f'write it in quotes: "{node.value}"')
        return value

    def _refuse(self, node: yaml.Node, where: str, message: str, hint: str) -> None:
        place = f"{self._name}:{node.start_mark.line + 1}" + (f": {where}" if where else "")
        self.found.append(Problem(place, message, hint))


def _find(node: yaml.Node, path: str, line: int) -> tuple[int, yaml.Node, int]:
    """The node at a dotted path, or the deepest above it: how much of the path led there, the node, its line.

    Names may hold dots themselves, so every way to cut the path is tried, and the one that leads deepest taken.
    """
    best = (0, node, line)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value)
            rest = path.removeprefix(name)
            if path.startswith(name) and (not rest or rest[0] in ".["):
                deeper = _find(value, rest.removeprefix("."), key.start_mark.line)
                best = max(best, (len(name) + 1 + deeper[0], *deeper[1:]), key=lambda found: found[0])
    elif isinstance(node, yaml.SequenceNode) and path.startswith("["):
        number, _, rest = path[1:].partition("]")
        if number.isdigit() and int(number) < len(node.value):
            part = node.value[int(number)]
            deeper = _find(part, rest.removeprefix("."), part.start_mark.line)
            best = (len(number) + 2 + deeper[0], *deeper[1:])
    return best
