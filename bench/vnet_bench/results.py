"""What a run of the benchmark found: figures beside their targets and peers, and series for pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table


def p99(values: Sequence[float]) -> float:
    """The 99th percentile; of fewer than a hundred values, nearly the largest."""
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]


def spread(values: Sequence[float]) -> str:
    """The least and the greatest, for people."""
    return f"{min(values):.3g} to {max(values):.3g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `met` is None where there is nothing to be met."""

    section: str
    what: str
    found: str
    target: str = ""
    met: bool | None = None
    beside: str = ""
    values: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Results:
    """Figures in the order in which they were taken, and series of (x, y) by name for each picture."""

    machine: dict[str, str]
    figures: list[Figure] = field(default_factory=list)
    series: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)

    def add(self, figure: Figure) -> None:
        """Take a figure, and show it at once: a run takes a while."""
        self.figures.append(figure)
        mark = "" if figure.met is None else "  (met)" if figure.met else "  (NOT met)"
        beside = f"; {figure.beside}" if figure.beside else ""
        target = f"; target {figure.target}{mark}" if figure.target else ""
        print(f"  {figure.what}: {figure.found}{beside}{target}", flush=True)

    def point(self, picture: str, name: str, x: float, y: float) -> None:
        """A point of a series in a picture."""
        self.series.setdefault(picture, {}).setdefault(name, []).append((x, y))

    def save(self, path: Path) -> None:
        """Everything as JSON."""
        whole = {"machine": self.machine, "figures": [asdict(one) for one in self.figures], "series": self.series}
        path.write_text(json.dumps(whole, indent=1) + "\n")

    def show(self, console: Console) -> None:
        """The table, for people."""
        table = Table(title="ryu-vnet beside its targets and its peers", title_justify="left")
        for column in ("what", "found", "target", "", "beside"):
            table.add_column(column, overflow="fold")
        section = None
        for figure in self.figures:
            if section not in (None, figure.section):
                table.add_section()
            section = figure.section
            mark = {None: "", True: "[green]met[/]", False: "[red]not met[/]"}[figure.met]
            table.add_row(figure.what, figure.found, figure.target, mark, figure.beside)
        console.print(table)

    def markdown(self) -> str:
        """The table for the README."""
        lines = ["| what | found | target | | beside |", "| --- | --- | --- | --- | --- |"]
        for one in self.figures:
            mark = {None: "", True: "met", False: "**not met**"}[one.met]
            lines.append(f"| {one.what} | {one.found} | {one.target} | {mark} | {one.beside} |")
        return "\n".join(lines)


def milliseconds(values: Sequence[float]) -> str:
    """Seconds as `median / 99th percentile` in milliseconds."""
    return f"{median(values) * 1000:.2f} / {p99(values) * 1000:.2f} ms"
