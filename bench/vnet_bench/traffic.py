"""Network namespaces that go with this process, and what TCP gets through between two of them.

Both sides of a comparison are measured by this and nothing else: the same sender, the same sink (iperf3, Debian
package `iperf3`), the same duration.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

SERVER_PORT = 5201
START_SECONDS = 10.0
GRACE_SECONDS = 15.0
"""What a measurement may take beyond its duration: to connect, and to exchange the results."""
SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received")


class Namespace:
    """A network namespace without a name, held by a process that does nothing.

    It vanishes, and all devices in it, when the context is left, and also when this process is killed: nothing is
    left over on the machine as a named one would be (`ip netns`). Needs root. The thread that makes it must live as
    long as it is used (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(self) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--", "sleep", "infinity"]
        self._holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            self._wait_until_apart()
            self.run("ip", "link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Namespace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process that holds it: `ip link add … netns PID`."""
        return self._holder.pid

    @property
    def path(self) -> Path:
        """What nsenter(1) takes."""
        return Path(f"/proc/{self.pid}/ns/net")

    def close(self) -> None:
        """Let go of it. Closing twice does no harm."""
        self._holder.kill()
        self._holder.wait()

    def run(self, *command: str) -> str:
        """Run a program in it to its end; what it printed. Raises RuntimeError with what it complained of."""
        done = subprocess.run(inside(self.path, *command), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def set_up(self, device: str, *, mtu: int, address: str | None = None, mac: str | None = None) -> None:
        """Bring a device up, with an address such as 10.0.0.1/24 if it is to have one.

        Checksums are computed by the kernel at once and never left to the device: Open vSwitch's userspace data path
        does not fill them in, and TCP would hang while ping works.
        """
        if mac is not None:
            self.run("ip", "link", "set", device, "address", mac)
        if address is not None:
            self.run("ip", "address", "add", address, "dev", device)
        self.run("ip", "link", "set", device, "mtu", str(mtu), "up")
        self.run("ethtool", "-K", device, "tx", "off")

    def _wait_until_apart(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.path.readlink() == Path("/proc/self/ns/net").readlink() or not self._is_asleep():
            if self._holder.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("no network namespace can be made here: root is needed")
            time.sleep(0.005)

    def _is_asleep(self) -> bool:
        return Path(f"/proc/{self.pid}/comm").read_text().strip() == "sleep"


def join(one: Namespace, device: str, other: Namespace, other_device: str) -> None:
    """Put a pair of virtual Ethernet devices into two namespaces, one end in each; they are down."""
    pair = ["type", "veth", "peer", "name", other_device, "netns", str(other.pid)]
    one.run("ip", "link", "add", device, *pair)


def inside(namespace: Path, *command: str) -> list[str]:
    """The command line that runs a program in the namespace of that path (`/proc/PID/ns/net`, `/run/netns/NAME`)."""
    return ["nsenter", f"--net={namespace}", "--", *command]


def tcp_throughput(
    client_ns: Path, server_ns: Path, server_ip: str, seconds: int, *, connections: int = 1, source: str = ""
) -> float:
    """What TCP connections, one unless told, carry from a namespace to an address in another, in Mbit/s (10^6) as
    received, altogether. `source` is the address that they come from, where the sender has several.

    Namespaces are given by path (`/proc/PID/ns/net`, `/run/netns/NAME`). Takes `seconds` and a little more, and
    nothing of it is left running. Raises RuntimeError where iperf3 is missing or nothing gets through.
    """
    if not shutil.which("iperf3"):
        raise RuntimeError("not installed: iperf3 (Debian package iperf3)")
    client = ["iperf3", "--client", server_ip, "--port", str(SERVER_PORT), "--time", str(seconds), "--json"]
    client += ["--parallel", str(connections), *(["--bind", source] if source else [])]
    with _server(server_ns, server_ip):
        try:
            done = subprocess.run(
                inside(client_ns, *client, "--connect-timeout", "5000"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds + GRACE_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"TCP to {server_ip} got stuck; is `ethtool -K IFACE tx off` missing?") from error
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"iperf3 to {server_ip}: {done.stderr.strip() or done.stdout.strip()}") from None
    if "error" in report:
        raise RuntimeError(f"iperf3 to {server_ip}: {report['error']}")
    return float(report["end"]["sum_received"]["bits_per_second"]) / 1e6


@contextmanager
def _server(namespace: Path, address: str) -> Iterator[None]:
    """An iperf3 server that listens before the block runs and is gone after it."""
    options = ["--server", "--one-off", "--bind", address, "--port", str(SERVER_PORT), "--forceflush"]
    command = inside(namespace, "setpriv", "--pdeathsig", "KILL", "iperf3", *options)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said = []
            for line in process.stdout or ():
                said.append(line)
                if line.startswith("Server listening"):
                    break
            else:
                raise RuntimeError(f"the iperf3 server at {address} did not start: {''.join(said).strip()}")
            yield
        finally:
            process.kill()


def lost_pings(client_ns: Path, address: str, count: int, meanwhile: Callable[[], None], rate: int) -> int:
    """How many of `count` pings, `rate` a second, were not answered while something was done.

    It is done after the first second. What was lost by it, divided by the rate, is how long traffic stopped. Raises
    RuntimeError where no ping is answered at all.
    """
    command = ["ping", "-q", "-n", "-i", str(1 / rate), "-c", str(count), "-W", "1", address]
    with subprocess.Popen(
        inside(client_ns, "setpriv", "--pdeathsig", "KILL", *command),
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            time.sleep(1)
            meanwhile()
            said = process.communicate(timeout=count / rate + GRACE_SECONDS)[0]
        finally:
            process.kill()
    found = SUMMARY.search(said)
    if found is None or found[2] == "0":
        raise RuntimeError(f"ping {address}: {said.strip()}")
    return int(found[1]) - int(found[2])
