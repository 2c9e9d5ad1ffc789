"""Pictures of a run: one for each set of series, ours and OVN's in one where both were measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib

from .results import Results

matplotlib.use("Agg")

from matplotlib import pyplot  # after the choice of a backend that needs no screen


def draw(results: Results, folder: Path) -> Iterator[Path]:
    """Draw them into a folder; yields the files."""
    for title, series in results.series.items():
        figure, axes = pyplot.subplots(figsize=(6.4, 4))
        for name, points in sorted(series.items()):
            xs, ys = zip(*sorted(points), strict=True)
            axes.plot(xs, ys, marker="o", label=name)
        values = [y for points in series.values() for _, y in points]
        if min(values) > 0 and max(values) > 20 * min(values):
            axes.set_yscale("log")
        against = title.rpartition(" against ")[2]
        if against in ("nodes", "ports"):
            axes.set_xscale("log")
        axes.set_ylim(bottom=None if axes.get_yscale() == "log" else 0)
        axes.set_title(title)
        axes.set_xlabel(against)
        axes.grid(True, which="both", alpha=0.3)
        axes.legend()
        path = folder / (re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") + ".png")
        figure.tight_layout()
        figure.savefig(path, dpi=120)
        pyplot.close(figure)
        yield path
