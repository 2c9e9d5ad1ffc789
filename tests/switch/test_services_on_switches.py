"""What is answered to machines, with real switches: frames go through the compiled rows to the controller, and what it
sends goes through them back."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from dialled_system import DialledSystem
from dummy_fabric import DummyFabric
from scapy.layers import dhcp, inet, inet6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet as Layers
from scapy.packet import Raw
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler.pipeline import NEXT_HOPS_METER, SERVICES_METER, TROUBLE_METER
from ryu_vnet.model.outside import NextHop, router_mac
from ryu_vnet.schema import Intent

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "internet.yaml"
WEB1, WEB2 = "host1:red-web1", "host3:red-web2"
UPLINK = "gw1:inet1"
WEB1_MAC, LEASED, HOP = "02:00:00:00:01:01", "02:00:00:00:07:01", 0x02_AA_00_00_00_01


@contextmanager
def centre(folder: Path, **mtu: int) -> Iterator[tuple[DialledSystem, DummyFabric]]:
    """The fabric of the file on real switches, with a node that knows no address of its own. `mtu`: of nodes in the
    fabric, or outside."""
    document: dict[str, Any] = yaml.safe_load(TOPOLOGY.read_text())
    document["fabric"]["mtu"] = mtu.get("fabric", 1500)
    document["fabric"]["outside"]["internet"]["mtu"] = mtu.get("outside", 1500)
    interface = {"mac": LEASED, "at": "host1:red-auto1", "network": "auto"}
    document["tenants"]["red"]["networks"]["auto"] = {"subnets": ["192.168.7.0/24", "fd00:7::/64"]}
    document["tenants"]["red"]["nodes"]["auto1"] = {"running": True, "interfaces": {"eth0": interface}}
    intent = Intent.model_validate(document)
    with DummyOvs(folder / "ovs") as ovs:
        fabric = DummyFabric(ovs, intent)
        for place in (UPLINK, "gw2:inet2"):
            switch, _, port = place.partition(":")
            ovs.vsctl("add-port", switch, port, "--", "set", "interface", port, "type=dummy", "mtu_request=1600")
            fabric.capture(place)
        with DialledSystem(fabric, intent) as dialled:
            dialled.connect()
            for hop in ("203.0.113.1", "2001:db8:ff::1"):
                value = NextHop("gw1", "inet1", ip_address(hop), HOP)
                dialled.request(lambda work, value=value: work.draft.put(value))  # type: ignore[misc]
            dialled.pump(lambda: not dialled.system.pending())
            dialled.pump_until_quiet()
            fabric.send(WEB1, [])
            yield dialled, fabric


def answers(dialled: DialledSystem, fabric: DummyFabric, place: str, *frames: Layers) -> dict[str, list[Layers]]:
    """What leaves by which port when frames are put into one, and all that is told of is answered."""
    found = {at: list(sent) for at, sent in fabric.send(place, [bytes(frame) for frame in frames]).items()}
    dialled.pump_until_quiet()
    for at, sent in fabric.send(place, []).items():
        found.setdefault(at, []).extend(sent)
    return {at: [Ether(frame) for frame in sent] for at, sent in found.items()}


def router(dialled: DialledSystem, ref: str) -> str:
    network = dialled.system.model.network(ref)
    assert network is not None
    return router_mac(network.number).to_bytes(6, "big").hex(":")


def test_errors_of_a_router_come_back_through_the_fabric(tmp_path: Path) -> None:
    with centre(tmp_path, outside=1400) as (dialled, fabric):
        to_router = Ether(src=WEB1_MAC, dst=router(dialled, "red/web"))
        for ttl in (0, 1):
            four = to_router / inet.IP(src="10.0.0.11", dst="198.51.100.1", ttl=ttl) / inet.ICMP()
            six = to_router / inet6.IPv6(src="fd00:1::11", dst="2001:db8::1", hlim=ttl) / inet6.ICMPv6EchoRequest()
            found = answers(dialled, fabric, WEB1, four, six)
            (spent, spent6) = found.pop(WEB1)
            assert found == {}
            assert (spent.src, spent.dst, spent[inet.IP].src) == (to_router.dst, WEB1_MAC, "10.0.0.1")
            assert spent[inet.ICMP].type == 11 and spent[inet.IPerror].dst == "198.51.100.1"
            assert spent6[inet6.IPv6].src == "fd00:1::1" and inet6.ICMPv6TimeExceeded in spent6
        for size, is_large in ((1400, False), (1401, True)):
            ip = inet.IP(src="10.0.0.11", dst="198.51.100.1", flags="DF")
            frame = to_router / ip / inet.UDP(sport=4000, dport=9) / Raw(bytes(size - 28))
            found = answers(dialled, fabric, WEB1, frame)
            assert set(found) == ({WEB1} if is_large else {UPLINK}), size
            if is_large:
                assert found[WEB1][0][inet.ICMP].nexthopmtu == 1400


def test_errors_towards_the_outside_leave_by_the_uplink(tmp_path: Path) -> None:
    with centre(tmp_path, fabric=1400) as (dialled, fabric):
        number = dialled.system.fabric.switches["gw1"].number
        from_hop = Ether(src=HOP.to_bytes(6, "big").hex(":"), dst=router(dialled, "red/web"))
        for size, is_large in ((1400, False), (1401, True)):
            ip = inet.IP(src="198.51.100.1", dst="203.0.113.50", flags="DF")
            frame = from_hop / ip / inet.UDP(sport=4000, dport=9) / Raw(bytes(size - 28))
            found = answers(dialled, fabric, UPLINK, frame)
            assert set(found) == ({UPLINK} if is_large else {WEB2}), size
            if is_large:
                (sent,) = found[UPLINK]
                assert (sent.src, sent.dst, sent[inet.IP].src) == (
                    f"02:76:6e:00:00:{number:02x}",
                    from_hop.src,
                    "203.0.113.2",
                )
                assert sent[inet.ICMP].nexthopmtu == 1400


def test_who_asks_for_addresses_is_answered_and_nobody_else_hears_of_it(tmp_path: Path) -> None:
    with centre(tmp_path) as (dialled, fabric):
        place = "host1:red-auto1"
        bootp = dhcp.BOOTP(chaddr=bytes.fromhex(LEASED.replace(":", "")), xid=7)
        ip = inet.IP(src="0.0.0.0", dst="255.255.255.255") / inet.UDP(sport=68, dport=67)
        discover = (
            Ether(src=LEASED, dst="ff:ff:ff:ff:ff:ff") / ip / bootp / dhcp.DHCP(options=[("message-type", 1), "end"])
        )
        found = answers(dialled, fabric, place, discover)
        (offer,) = found.pop(place)
        assert found == {} and offer[dhcp.BOOTP].yiaddr == "192.168.7.2"
        solicitation = inet6.IPv6(src="fe80::ff:fe00:701", dst="ff02::2", hlim=255) / inet6.ICMPv6ND_RS()
        found = answers(dialled, fabric, place, Ether(src=LEASED, dst="33:33:00:00:00:02") / solicitation)
        (advertisement,) = found.pop(place)
        assert found == {} and inet6.ICMPv6ND_RA in advertisement


def test_an_announcement_goes_to_all_members_and_nobody_else(tmp_path: Path) -> None:
    with centre(tmp_path) as (dialled, fabric):
        dialled.now = time.monotonic() + 60
        dialled.system.serving.tick()
        dialled.pump_until_quiet()
        found = {at: [Ether(frame) for frame in sent] for at, sent in fabric.send(WEB1, []).items()}
        routers = {at: {frame.src for frame in sent} for at, sent in found.items()}
        web, auto, plain, db = (router(dialled, ref) for ref in ("red/web", "red/auto", "green/plain", "red/db"))
        elsewhere = {"host1:red-auto1": {auto}, "host2:green-vm1": {plain}, "host3:red-db1": {db}}
        assert routers == {WEB1: {web}, WEB2: {web}} | elsewhere
        assert all(len(sent) == 1 and inet6.ICMPv6ND_RA in sent[0] for sent in found.values())


def test_a_flood_is_held_back_by_the_switch_and_then_by_us(tmp_path: Path) -> None:
    with centre(tmp_path) as (dialled, fabric):
        ip = inet.IP(src="10.0.0.11", dst="198.51.100.1", ttl=1)
        frame = Ether(src=WEB1_MAC, dst=router(dialled, "red/web")) / ip / inet.UDP()
        arp = Ether(src=WEB1_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=WEB1_MAC, psrc="10.0.0.11", pdst="10.0.0.1")
        dialled.now = time.monotonic()
        found = answers(dialled, fabric, WEB1, *([frame] * 200))
        assert len(found[WEB1]) == 5
        found = answers(dialled, fabric, WEB1, arp)
        assert found[WEB1][0][ARP].psrc == "10.0.0.1"


def counted(fabric: DummyFabric, switch: str) -> dict[int, tuple[int, int]]:
    """How many frames came to each meter of a switch, and how many of them it dropped."""
    said = fabric.ovs.ofctl("meter-stats", switch)
    found = re.findall(r"meter:(\d+) .*packet_in_count:(\d+) .*bands:\n0: packet_count:(\d+)", said)
    return {int(number): (int(came), int(dropped)) for number, came, dropped in found}


def test_a_flood_of_what_cannot_be_forwarded_takes_nothing_from_next_routers_and_from_who_asks_for_addresses(
    tmp_path: Path,
) -> None:
    with centre(tmp_path) as (dialled, fabric):
        to_router = Ether(src=WEB1_MAC, dst=router(dialled, "red/web"))
        spent = bytes(to_router / inet.IP(src="10.0.0.11", dst="198.51.100.1", ttl=1) / inet.UDP())
        says = ARP(op=2, hwsrc="02:aa:00:00:00:02", psrc="203.0.113.1", pdst="203.0.113.2")
        solicitation = inet6.IPv6(src="fe80::ff:fe00:701", dst="ff02::2", hlim=255) / inet6.ICMPv6ND_RS()
        before = {switch: counted(fabric, switch) for switch in ("host1", "gw1")}

        def came(switch: str, meter: int) -> tuple[int, int]:
            (frames, dropped), (frames_before, dropped_before) = counted(fabric, switch)[meter], before[switch][meter]
            return frames - frames_before, dropped - dropped_before

        dialled.now = time.monotonic()
        fabric.send(WEB1, [spent] * 400)
        fabric.send(UPLINK, [bytes(Ether(src="02:aa:00:00:00:02", dst=says.hwdst) / says)])
        place = "host1:red-auto1"
        found = answers(dialled, fabric, place, Ether(src=LEASED, dst="33:33:00:00:00:02") / solicitation)
        assert inet6.ICMPv6ND_RA in found[place][0]
        dialled.pump_until_quiet()
        (known,) = (hop for hop in dialled.system.model.next_hops() if str(hop.address) == "203.0.113.1")
        assert known.mac == 0x02_AA_00_00_00_02
        flooded = [switch for switch in before if came(switch, TROUBLE_METER)[0] == 400]
        assert flooded and came(flooded[0], TROUBLE_METER)[1] > 0
        assert came("host1", SERVICES_METER) == (1, 0)
        assert came("gw1", NEXT_HOPS_METER) == (1, 0)
