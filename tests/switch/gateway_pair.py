"""Two gateways, each a bridge of a daemon of its own, with a machine of each of two tenants on either."""

from __future__ import annotations

import struct
import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import TracebackType

from driven_system import DrivenSystem
from memory_store import MemoryStore
from openflow_peer import OpenFlowPeer
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.managers import requests
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.system import System
from ryu_vnet.model.outside import NextHop, router_mac
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import ExitSpec, Intent, NetworkSpec

HOP, HOP6 = IPv4Address("203.0.113.1"), IPv6Address("2001:db8:ff::1")
HOP_MAC = 0x02AABBCCDD00
SERVER, SERVER6 = IPv4Address("198.51.100.1"), IPv6Address("2001:db8:feed::1")
TENANTS = ("blue", "red")


def intent() -> Intent:
    """The networks of two tenants have the same subnet of IPv4; of IPv6 each has one that is known outside."""
    switches = {
        f"gw{number}": {
            "dpid": number,
            "segment": f"g{number}",
            "uplinks": {
                f"inet{number}": {
                    "outside": "internet",
                    "addresses": [f"203.0.113.{number + 1}", f"2001:db8:ff::{number + 1}"],
                }
            },
        }
        for number in (1, 2)
    }
    addresses = ["203.0.113.0/24", "2001:db8:a::/47"]
    outside = {"internet": {"addresses": addresses, "next_hops": [str(HOP), str(HOP6)]}}
    tenants = {
        tenant: {
            "networks": {"web": _network(tenant, "gw1")},
            "nodes": {
                f"vm{number}": {
                    "running": True,
                    "interfaces": {
                        "eth0": {
                            "mac": f"02:00:00:00:0{index}:0{number}",
                            "ips": [f"10.0.0.1{number}", f"2001:db8:a:{index}::1{number}"],
                            "at": f"gw{number}:{tenant}{number}",
                            "networks": ["web"],
                        }
                    },
                }
                for number in (1, 2)
            },
        }
        for index, tenant in enumerate(TENANTS)
    }
    # It is a cable to nowhere: all that is looked at happens on one gateway.
    links = [{"kind": "core", "a": "gw1:core1", "b": "gw2:core2"}]
    fabric = {"outside": outside, "switches": switches, "links": links}
    return Intent.model_validate({"fabric": fabric, "tenants": tenants})


def _network(tenant: str, gateway: str, **more: object) -> dict[str, object]:
    subnets = ["10.0.0.0/24", f"2001:db8:a:{TENANTS.index(tenant)}::/64"]
    return {"subnets": subnets, "outside": {"network": "internet", "gateways": [gateway], **more}}


class _Bridges:
    """What `DrivenSystem` needs of a fabric."""

    def __init__(self, folder: Path) -> None:
        self.ovs: dict[str, DummyOvs] = {}
        self.switches = intent().fabric.switches  # type: ignore[union-attr]
        for number, name in enumerate(self.switches, start=1):
            (folder / name).mkdir()
            self.ovs[name] = DummyOvs(folder / name)
            self.ovs[name].start()
            ports = [f"{kind}{number}" for kind in ("core", "inet", *TENANTS)]
            self.ovs[name].add_bridge(name, number, ports=ports)

    def connect(self, target: str, name: str) -> None:
        command = ["--", "set-controller", name, target]
        command += ["--", "set", "controller", name, "connection_mode=out-of-band", "max_backoff=1000"]
        self.ovs[name].vsctl(*command)


class GatewayPair(DrivenSystem):
    """Time is what the machine's clock says, and what was `skipped`."""

    def __init__(self, folder: Path, version: Version = Version.OF14) -> None:
        self.version = version
        self.bridges = _Bridges(folder)
        self._fabric = self.bridges  # type: ignore[assignment]
        self.peers = {name: OpenFlowPeer(version) for name in self.bridges.switches}
        self.skipped = 0.0
        self._store = MemoryStore()
        self.system = self._new_system()
        self.system.request(lambda work: requests.apply(work, intent()))
        self.system.request(_next_hops)

    def _new_system(self) -> System:
        return System(self._store, self._send, lambda: time.monotonic() + self.skipped)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for ovs in self.bridges.ovs.values():
            ovs.stop()

    def tick(self, seconds: float) -> None:
        """Let time pass, and everybody know."""
        self.skipped += seconds
        self.system.tick()
        self.barrier()
        self.system.tick()
        self.follow()

    def come_again(self, name: str) -> None:
        """A switch whose connection is gone is there again."""
        self.peers[name].accept()
        self.system.switch_connected(name, self.version)
        self.follow()

    def start_anew(self) -> None:
        """Another controller takes over, from what is on disk."""
        for peer in self.peers.values():
            peer.hang_up()
        self.system = self._new_system()
        for peer in self.peers.values():
            peer.greet()
        for name, peer in self.peers.items():
            peer.accept()
            self.system.switch_connected(name, self.version)
        self.follow()

    def barrier(self) -> None:
        """Pass on what switches say until each has done all that it was sent."""
        for name, peer in self.peers.items():
            for message in peer.until_barrier():
                self.system.switch_message(name, message)
        self.follow()

    def route_by(self, tenant: str, gateway: str, **more: object) -> None:
        """Have a tenant's router on a gateway."""
        spec = NetworkSpec.model_validate(_network(tenant, gateway, **more))
        assert isinstance(spec.outside, ExitSpec)
        self.system.request(lambda work: requests.put_network(work, tenant, "web", spec))
        self.follow()

    def send(self, tenant: str, number: int, *ports: int) -> None:
        """A machine sends one datagram to the outside from each port."""
        own, router = self._macs(tenant, number)
        source = IPv4Address(f"10.0.0.1{number}")
        self._put_in(tenant, number, [self.frame(router, own, source, SERVER, port, 53) for port in ports])

    def send_six(self, tenant: str, number: int, *ports: int) -> None:
        """The same by IPv6."""
        own, router = (mac.to_bytes(6, "big").hex(":") for mac in self._macs(tenant, number))
        source = f"2001:db8:a:{TENANTS.index(tenant)}::1{number}"
        head = Ether(src=own, dst=router) / IPv6(src=source, dst=str(SERVER6))
        self._put_in(tenant, number, [bytes(head / UDP(sport=port, dport=53)) for port in ports])

    def _macs(self, tenant: str, number: int) -> tuple[int, int]:
        network = self.system.model.network(f"{tenant}/web")
        assert network is not None
        return int.from_bytes(bytes((2, 0, 0, 0, TENANTS.index(tenant), number)), "big"), router_mac(network.number)

    def _put_in(self, tenant: str, number: int, frames: list[bytes]) -> None:
        ovs = self.bridges.ovs[f"gw{number}"]
        ovs.appctl("netdev-dummy/receive", f"{tenant}{number}", *(frame.hex() for frame in frames))

    def frame(self, to: int, own: int, source: IPv4Address, target: IPv4Address, port: int, asked: int) -> bytes:
        """A UDP datagram without anything in it."""
        packet = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0x4000, 64, 17, 0, source.packed, target.packed)
        total = sum(struct.unpack("!10H", packet))
        total = (total >> 16) + (total & 0xFFFF)
        packet = packet[:10] + (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big") + packet[12:]
        udp = struct.pack("!HHHH", port, asked, 8, 0)
        return to.to_bytes(6, "big") + own.to_bytes(6, "big") + b"\x08\x00" + packet + udp

    def zone(self, tenant: str) -> int:
        gateway = self.system.model.gateway(f"{tenant}/web")
        assert gateway is not None
        return gateway.zone

    def connections(self, name: str) -> dict[int, int]:
        """How many connections a gateway knows, by zone."""
        found: dict[int, int] = {}
        for line in self.bridges.ovs[name].appctl("dpctl/dump-conntrack").splitlines():
            zone = int(line.partition(",zone=")[2].partition(",")[0] or 0)
            found[zone] = found.get(zone, 0) + 1
        return found


def _next_hops(work: Work) -> None:
    for number in (1, 2):
        for hop in (HOP, HOP6):
            work.draft.put(NextHop(f"gw{number}", f"inet{number}", hop, HOP_MAC))
