"""Network, mount and process namespaces of its own for every lab script.

Nothing that a script makes can meet anything else on the machine, and all of it ends with the script, even on
kill -9: the kernel kills every process of a PID namespace when its first process ends (pid_namespaces(7)), and
network devices and mounts go with the namespaces they are in.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NoReturn

TOOLS: Final = {
    "unshare": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "ethtool": "ethtool",
    "ifconfig": "net-tools",
    "ping": "iputils-ping",
    "fping": "fping",
    "mnexec": "mininet",
    "ovsdb-tool": "openvswitch-common",
    "ovs-ofctl": "openvswitch-common",
    "ovsdb-server": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
}
"""Programs that the lab runs, and the Debian package of each."""

SANDBOX_MARK: Final = "VNET_LAB_SANDBOX"
PR_SET_PDEATHSIG: Final = 1
"""From <linux/prctl.h>."""
OPEN_FILES: Final = 4096
"""A capture holds a socket a port, Mininet a pseudo-terminal a node."""


class LabError(Exception):
    """The lab cannot do what was asked: the message says what is missing or what did not happen."""


def main(body: Callable[[], int]) -> NoReturn:
    """Run a script's body in a sandbox and end with its exit code; with 2 and one line where the lab cannot."""
    try:
        enter()
        code = body()
    except LabError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        code = 2
    raise SystemExit(code)


def enter() -> None:
    """Start the running program again, from its first line, inside a sandbox, and end with its exit code; return at
    once where it is in one.

    Raises LabError where the user is not root or a tool is missing.
    """
    if inside():
        return
    check_machine()
    options = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    again = [sys.executable, *sys.orig_argv[1:]]
    sys.stdout.flush()
    sys.stderr.flush()
    process = subprocess.Popen(
        ["unshare", *options, "--", *again], env={**os.environ, SANDBOX_MARK: "1"}, preexec_fn=_die_with_parent
    )
    # unshare(1) leaves its signals blocked while it waits. Ctrl-C reaches the program inside by itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: process.kill())
    code = process.wait()
    raise SystemExit(code if code >= 0 else 128 - code)


def _die_with_parent() -> None:
    """In a new process: to be killed when its parent ends, however that ends (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def inside() -> bool:
    """Whether this process is the first of a sandbox."""
    return os.getpid() == 1 and SANDBOX_MARK in os.environ


def check_machine() -> None:
    """Raises LabError, naming all that is missing, unless this machine can run the lab."""
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces: run it as root")
    missing = [f"{tool} (Debian package {package})" for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        raise LabError("not installed: " + ", ".join(missing))
    if not Path("/dev/net/tun").exists():
        raise LabError("/dev/net/tun is missing: Open vSwitch's user-space data path needs the kernel module tun")


def prepare() -> None:
    """Make the sandbox a place to work in; asking twice does no harm. Raises LabError outside of one.

    Loopback comes up; /run and /sys become the sandbox's own, so that files there vanish with it and
    /sys/class/net shows its devices; IPv6 is off for every device made from now on, since a switch port that
    announces itself would put frames of the kernel's on trunks and core links.
    """
    if not inside():
        raise LabError("outside the sandbox: call sandbox.enter() first")
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    if os.path.ismount("/run") and Path("/run/vnet-lab").is_dir():
        return
    run("ip", "link", "set", "lo", "up")
    run("mount", "-t", "tmpfs", "vnet-lab", "/run")
    run("mount", "-t", "sysfs", "vnet-lab", "/sys")
    Path("/run/vnet-lab").mkdir()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(*command: str, text: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a command to its end with `text` as input; its output. Raises LabError with what it complained of."""
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, env=environment)
    if done.returncode:
        raise LabError(f"{' '.join(command)} failed ({done.returncode}): {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
