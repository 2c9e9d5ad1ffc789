"""What a run was made on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, in user mode and in the kernel (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine() -> dict[str, str]:
    """Processor, cores, memory, and the versions of what was measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "memory": f"{gigabytes:.0f} GB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "Open vSwitch": _version("ovs-vswitchd"),
        "OVN": _version("ovn-controller"),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }


def _version(program: str) -> str:
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except OSError:
        return "not installed"
    return shown.split()[-1] if len(shown.splitlines()) < 2 else shown.splitlines()[0].split()[-1]
