"""Runs every tier of the tests, each once, the lab under each framework; prints how many passed and fails otherwise.

    .venv/bin/python tools/tiers.py

Switches and laboratories wait for much of their time, and each is in a folder and namespaces of its own: so three
things run at a time, which the beginning of each line names.

The framework is chosen by VNET_FRAMEWORK in the tests' environment. A tier must run something and all of it must
pass: a test that was skipped, deselected or expected to fail counts as one that failed, and so does a tier that ends
badly without naming a test. The last line is the total, `N passed, N failed`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

RYU_ENDS = (3, 12)
"""The first Python that Ryu does not run on; setup.cfg leaves it out from there on."""

SUMMARY = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+) in \d+\.\d+s")
"""pytest's last line, `3 passed, 1 skipped in 0.12s`, between equals signs or not."""

HARMLESS = {"passed", "warning", "warnings"}
FAULTS = ("FAILED ", "ERROR ", "SKIPPED ", "XFAIL ", "XPASS ")
"""How the lines begin in which pytest names what did not pass."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A folder of tests, and the framework that its controllers run on where it starts any."""

    name: str
    folder: str
    framework: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many tests passed, how many did anything else, and how many seconds it took."""

    passed: int
    failed: int
    seconds: float
    words: str
    faults: tuple[str, ...] = ()
    """What did not pass, in pytest's words."""

    @property
    def good(self) -> bool:
        return self.passed > 0 and self.failed == 0


def lanes() -> list[list[Tier]]:
    """What runs at the same time, each a list of what runs one after the other."""
    frameworks = ["ryu", "os-ken"] if sys.version_info < RYU_ENDS else ["os-ken"]
    first, *others = [Tier("lab", "tests/lab", framework) for framework in frameworks]
    return [[Tier("unit and property", "tests/unit"), *others], [Tier("switch", "tests/switch")], [first]]


def run(tier: Tier) -> Outcome:
    """Run one tier, its output shown as it comes, each line with what it is of."""
    title = f"{tier.name}, {tier.framework}" if tier.framework else tier.name
    mark = f"{title}: "
    print(f"\n##### {title}", flush=True)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if tier.framework:
        environment["VNET_FRAMEWORK"] = tier.framework
    command = [sys.executable, "-m", "pytest", "--color=no", tier.folder]
    started = time.monotonic()
    summary, faults = "", []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(f"{mark}{line}", end="", flush=True)
            if match := SUMMARY.match(line):
                summary = match[1]
            if line.startswith(FAULTS):
                faults.append(line.rstrip())
    return replace(outcome(summary, process.returncode, time.monotonic() - started), faults=tuple(faults))


def outcome(summary: str, code: int, seconds: float) -> Outcome:
    """What pytest's summary and its exit code come to."""
    counts: Counter[str] = Counter()
    for number, word in re.findall(r"(\d+) ([a-z]+)", summary):
        counts[word] += int(number)
    passed = counts["passed"]
    failed = sum(number for word, number in counts.items() if word not in HARMLESS)
    if failed == 0 and (code != 0 or passed == 0):
        failed = 1
    return Outcome(passed, failed, seconds, summary or f"no test ran: pytest ended with {code}")


def main() -> int:
    with ThreadPoolExecutor() as pool:
        done = pool.map(lambda lane: [(tier, run(tier)) for tier in lane], lanes())
        outcomes = [outcome for lane in done for outcome in lane]

    print(f"\n{'tier':<18} {'framework':<10} {'result':<7} {'passed':>6} {'failed':>6} {'seconds':>8}  pytest says")
    for tier, result in outcomes:
        mark = "ok" if result.good else "FAILED"
        counts = f"{result.passed:>6} {result.failed:>6} {result.seconds:>8.1f}"
        print(f"{tier.name:<18} {tier.framework or '-':<10} {mark:<7} {counts}  {result.words}")
    if sys.version_info >= RYU_ENDS:
        python = "{}.{}".format(*sys.version_info)
        print(f"{'lab':<18} {'ryu':<10} not run: Ryu does not run on Python {python}")
    for tier, result in outcomes:
        for fault in result.faults:
            print(f"{tier.name}: {fault}")
    passed, failed = (sum(getattr(result, what) for _, result in outcomes) for what in ("passed", "failed"))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if all(result.good for _, result in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
