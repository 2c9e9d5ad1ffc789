"""The README shows the pipeline as it is declared, and names only commands and files that are there."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from ryu_vnet.cli import main
from ryu_vnet.compiler.pipeline import REGISTERS, STAGES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def stages() -> str:
    """The table of stages, as it must stand in the README."""
    lines = ["| table | stage | decides | looks at | then |", "| --- | --- | --- | --- | --- |"]
    for stage in STAGES:
        looks_at = ", ".join(_name(field.name) for field in stage.matches)
        then = ", ".join(stage.next) or "out"
        lines.append(f"| {stage.table} | {stage.name} | {stage.purpose} | {looks_at} | {then} |")
    return "\n".join(lines)


def registers() -> str:
    """The table of registers, as it must stand in the README."""
    lines = ["| register | in | bits | holds |", "| --- | --- | --- | --- |"]
    lines += [f"| `{r.name}` | {r.field.name} | {r.bits} | {r.purpose} |" for r in REGISTERS]
    return "\n".join(lines)


def _name(field: str) -> str:
    known = {register.field.name: f"`{register.name}`" for register in REGISTERS}
    return known.get(field, field)


def test_the_pipeline_stands_in_the_readme_as_it_is_declared() -> None:
    for table in (stages(), registers()):
        assert table in README, f"the README must have:\n\n{table}\n"


def test_every_path_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`((?:ryu_vnet|mininet|topologies|tests|tools)/[\w./*-]*)`", README)
    assert len(named) > 10
    for path in named:
        assert list(ROOT.glob(path.rstrip("/"))), path


def test_every_vnet_command_that_the_readme_shows_exists() -> None:
    shown = {tuple(line.split()[1:3]) for line in re.findall(r"^(?:\$ |    )(vnet .*)$", README, re.MULTILINE)}
    assert len(shown) > 8
    for first, *rest in shown:
        words = [first, *rest] if rest and not re.search(r"[/.-]", rest[0]) else [first]
        result = CliRunner().invoke(main, [*words, "--help"])
        if result.exit_code != 0:
            result = CliRunner().invoke(main, [first, "--help"])
        assert result.exit_code == 0, words
