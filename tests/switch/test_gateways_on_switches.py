"""Gateways on real switches, frame by frame: what leaves for outside, what comes back, and what does not come in."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from data_centre import DataCentre

from ryu_vnet.compiler.pipeline import switch_mac
from ryu_vnet.model.names import parse_mac
from ryu_vnet.model.outside import Address, address_mac, router_mac
from ryu_vnet.services import frames as f
from ryu_vnet.services.neighbours import question, said_in

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "internet.yaml"
UPLINKS = {"gw1": "gw1:inet1", "gw2": "gw2:inet2"}
HOPS = {4: ip_address("203.0.113.1"), 6: ip_address("2001:db8:ff::1")}
HOP_MAC, SERVER, SERVER6 = 0x02_AA_00_00_00_01, ip_address("198.51.100.1"), ip_address("2001:db8:feed::1")
RED, BLUE, RED2 = "host1:red-web1", "host1:blue-web1", "host3:red-web2"
MACS = {RED: 0x02_00_00_00_01_01, BLUE: 0x02_00_00_00_01_02, RED2: 0x02_00_00_00_02_01}
INSIDE, FLOATING = ip_address("10.0.0.11"), ip_address("203.0.113.50")
TCP, SYN, ACK, RST = 6, 2, 16, 4


class Segment(NamedTuple):
    """A TCP segment without data, over either version of IP."""

    source: Address
    source_port: int
    target: Address
    target_port: int
    flags: int = SYN

    @property
    def answer(self) -> Segment:
        """What answers it: a connection is accepted, or goes on."""
        return Segment(self.target, self.target_port, self.source, self.source_port, self.flags & SYN | ACK)

    def frame(self, source: int, target: int, ttl: int = 64) -> bytes:
        """In a frame between two MAC addresses."""
        parts = self.source_port, self.target_port, 1000, 1000 if self.flags & ACK else 0, 5 << 4, self.flags, 64000
        unsummed = struct.pack("!HHIIBBHHH", *parts, 0, 0)
        total = f.checksum(f.pseudo_header(self.source, self.target, TCP, len(unsummed)) + unsummed)
        packet = f.ip(self.source, self.target, TCP, struct.pack("!HHIIBBHHH", *parts, total, 0), ttl)
        return f.ethernet(target, source, f.ethertype_of(self.source), packet)


def read(frame: bytes) -> Segment:
    """The segment in a frame, whose checksums must be right."""
    payload = frame[14:]
    if frame[12:14] == b"\x08\x00":
        assert f.checksum(payload[:20]) == 0
        source, target = ip_address(payload[12:16]), ip_address(payload[16:20])
        segment = payload[20 : int.from_bytes(payload[2:4], "big")]
    else:
        source, target = ip_address(payload[8:24]), ip_address(payload[24:40])
        segment = payload[40 : 40 + int.from_bytes(payload[4:6], "big")]
    assert f.checksum(f.pseudo_header(source, target, TCP, len(segment)) + segment) == 0
    return Segment(source, segment_ports(segment)[0], target, segment_ports(segment)[1], segment[13])


def is_tcp(frame: bytes) -> bool:
    return (frame[12:14] == b"\x08\x00" and frame[23] == TCP) or (frame[12:14] == b"\x86\xdd" and frame[20] == TCP)


def is_advertised(frame: bytes) -> bool:
    """Whether a router says that it is one (RFC 4861, 4.2)."""
    return frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 134


def segment_ports(segment: bytes) -> tuple[int, int]:
    return int.from_bytes(segment[:2], "big"), int.from_bytes(segment[2:4], "big")


class Gateways:
    """The fabric of `internet.yaml` with the next routers known."""

    def __init__(self, centre: DataCentre) -> None:
        self.centre = centre
        self.networks = {ref: centre.client.network(ref) for ref in ("red/web", "blue/web", "green/plain")}

    def send(self, place: str, frame: bytes) -> dict[str, list[bytes]]:
        """Put a frame in; what left by which access port or uplink, but for what gateways ask there."""
        found = self.centre.fabric.send(place, [frame])
        # What gateways themselves say, to ask, to announce, to say that they are routers, is not looked at.
        kept = {
            at: [one for one in sent if is_tcp(one) or (at not in UPLINKS.values() and not is_advertised(one))]
            for at, sent in found.items()
        }
        return {at: sent for at, sent in kept.items() if sent}

    def router(self, ref: str) -> int:
        return router_mac(self.networks[ref]["number"])

    def out(self, place: str, ref: str, segment: Segment) -> Segment:
        """A segment from a member, which leaves by the uplink of gw1; as it leaves."""
        found = self.send(place, segment.frame(MACS[place], self.router(ref)))
        assert [*found] == [UPLINKS["gw1"]] and len(found[UPLINKS["gw1"]]) == 1
        frame = found[UPLINKS["gw1"]][0]
        assert frame[:6] == HOP_MAC.to_bytes(6, "big") and frame[22] == 63
        return read(frame)

    def back(self, segment: Segment, mac: int, uplink: str = "gw1") -> dict[str, list[Segment]]:
        """A segment from outside; what came of it where."""
        found = self.send(UPLINKS[uplink], segment.frame(HOP_MAC, mac))
        return {at: [read(frame) for frame in sent] for at, sent in found.items()}


@contextmanager
def gateways(
    framework: str, folder: Path, change: Callable[[dict[str, Any]], None] = lambda intent: None
) -> Iterator[Gateways]:
    """Everything up, and both gateways told where the next routers are. `change`: how the intent is another."""
    intent = yaml.safe_load(TOPOLOGY.read_text())
    change(intent)
    with DataCentre(framework, folder, intent=intent) as centre:
        centre.add_ports(UPLINKS.values())
        for place in UPLINKS.values():
            centre.fabric.capture(place)
        centre.bring_up()
        for switch, place in UPLINKS.items():
            tell_hops(centre, switch, place)
        yield Gateways(centre)


def tell_hops(centre: DataCentre, switch: str, place: str) -> None:
    """The next routers say where they are, on an uplink, until it is known."""
    asking = parse_mac(centre.client.gateway(switch)["uplinks"][0]["mac"])
    own = {4: ip_address("203.0.113.2"), 6: ip_address("2001:db8:ff::2")}

    def known() -> bool:
        for version, hop in HOPS.items():
            asked = question(asking, own[version], hop)
            centre.fabric.send(place, [answer_to(asked, HOP_MAC)])
        uplinks = centre.client.gateway(switch)["uplinks"]
        return all(hop["mac"] is not None for uplink in uplinks for hop in uplink["next_hops"])

    centre.wait(known, f"{switch} knows its next routers")
    centre.wait_in_step()


def answer_to(asked: bytes, mac: int) -> bytes:
    """The answer to who has an address."""
    own = mac.to_bytes(6, "big")
    if asked[12:14] == b"\x08\x06":
        arp = asked[14:42]
        head = arp[:6] + b"\x00\x02"
        return (asked[6:12] + own + asked[12:14] + head + own + arp[24:28] + arp[8:18]).ljust(60, b"\0")
    source, target = ip_address(asked[22:38]), ip_address(asked[62:78])
    message = struct.pack("!BBHI", 136, 0, 0, 0x6000_0000) + target.packed + b"\x02\x01" + own
    packet = f.ip(target, source, f.ICMPV6, f.icmpv6(target, source, message), 255)
    return f.ethernet(int.from_bytes(asked[6:12], "big"), mac, f.IPV6, packet)


def test_the_answer_is_one() -> None:
    for version, own in ((4, ip_address("203.0.113.2")), (6, ip_address("2001:db8:ff::2"))):
        said = said_in(answer_to(question(switch_mac(1), own, HOPS[version]), HOP_MAC))
        assert said is not None and (said.address, said.mac) == (HOPS[version], HOP_MAC)


def test_tenants_with_one_address_go_out_by_one_address_and_each_gets_its_own_answers(
    framework: str, tmp_path: Path
) -> None:
    with gateways(framework, tmp_path) as up:
        asked = Segment(INSIDE, 40000, SERVER, 80)
        seen = {place: up.out(place, ref, asked) for place, ref in ((RED, "red/web"), (BLUE, "blue/web"))}
        for place, ref in ((RED, "red/web"), (BLUE, "blue/web")):
            granted = up.networks[ref]["exit"]
            first, last = map(int, granted["ports"].split("-"))
            assert str(seen[place].source) == granted["address"] and first <= seen[place].source_port <= last
        assert seen[RED].source == seen[BLUE].source and seen[RED].source_port != seen[BLUE].source_port
        for place in (BLUE, RED):
            outer = address_mac(seen[place].source)  # type: ignore[arg-type]
            assert up.back(seen[place].answer, outer) == {place: [asked.answer]}
        # It goes on, and nobody else's packets get in by the port that it has.
        outer = address_mac(seen[RED].source)  # type: ignore[arg-type]
        assert up.out(RED, "red/web", asked._replace(flags=ACK)) == seen[RED]._replace(flags=ACK)
        stranger = seen[RED].answer._replace(source=ip_address("198.51.100.2"), flags=SYN)
        assert up.back(stranger, outer) == {}
        assert up.back(seen[RED].answer._replace(target_port=9), outer) == {}
        up.centre.check_tables()


def test_a_floating_address_is_its_owner_s_in_both_directions(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path) as up:
        inside = ip_address("10.0.0.12")
        asked = Segment(inside, 40000, SERVER, 80)
        assert up.out(RED2, "red/web", asked) == asked._replace(source=FLOATING)
        new = Segment(SERVER, 50000, FLOATING, 22)
        router = up.router("red/web")
        assert up.back(new, router) == {RED2: [new._replace(target=inside)]}
        answer = new._replace(target=inside).answer
        found = up.send(RED2, answer.frame(MACS[RED2], router))
        assert {at: [*map(read, sent)] for at, sent in found.items()} == {UPLINKS["gw1"]: [new.answer]}
        # Blue's member has the same address inside, and is not reached.
        assert up.back(new._replace(target=ip_address(up.networks["blue/web"]["exit"]["address"])), router) == {}


def test_a_forwarded_port_is_let_in_and_no_other(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path) as up:
        outer = ip_address("203.0.113.60")
        new = Segment(SERVER, 50000, outer, 8022)
        mac = address_mac(outer)  # type: ignore[arg-type]
        assert up.back(new, mac) == {RED: [new._replace(target=INSIDE, target_port=22)]}
        answer = new._replace(target=INSIDE, target_port=22).answer
        found = up.send(RED, answer.frame(MACS[RED], up.router("red/web")))
        assert {at: [*map(read, sent)] for at, sent in found.items()} == {UPLINKS["gw1"]: [new.answer]}
        assert up.back(new._replace(flags=ACK), mac) == {RED: [new._replace(target=INSIDE, target_port=22, flags=ACK)]}
        assert up.back(new._replace(target_port=22), mac) == {}


def test_ipv6_goes_as_it_is_or_with_another_prefix_and_nothing_new_comes_in(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path) as up:
        inside, outer = ip_address("fd00:1::11"), ip_address("2001:db8:a:1::11")
        asked = Segment(inside, 40000, SERVER6, 80)
        sent = up.send(RED, asked.frame(MACS[RED], up.router("red/web")))
        assert [read(frame) for frame in sent[UPLINKS["gw1"]]] == [asked._replace(source=outer)]
        assert up.back(asked._replace(source=outer).answer, up.router("red/web")) == {RED: [asked.answer]}
        plain, place = ip_address("2001:db8:a:7::11"), "host2:green-vm1"
        asked = Segment(plain, 40000, SERVER6, 80)
        sent = up.send(place, asked.frame(0x02_00_00_00_03_01, up.router("green/plain")))
        assert [read(frame) for frame in sent[UPLINKS["gw1"]]] == [asked]
        assert up.back(asked.answer, up.router("green/plain")) == {place: [asked.answer]}
        for target, ref in ((outer, "red/web"), (plain, "green/plain")):
            assert up.back(Segment(SERVER6, 50000, target, 22), up.router(ref)) == {}


def test_the_other_gateway_takes_over_when_an_uplink_goes(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path) as up:
        inside = ip_address("10.0.0.12")
        asked = Segment(inside, 40000, SERVER, 80)
        assert up.out(RED2, "red/web", asked) == asked._replace(source=FLOATING)
        up.centre.ovs.vsctl("del-port", "gw1", "inet1")
        gateway = lambda: {up.centre.client.network(ref)["exit"]["gateway"] for ref in up.networks}  # noqa: E731
        up.centre.wait(lambda: gateway() == {"gw2"}, "gw2 has taken over")
        up.centre.wait_in_step()
        del up.centre.fabric._captures[UPLINKS["gw1"]]
        # What it was answered for a floating address goes on by the other one, once its owner has sent something.
        went = up.send(RED2, asked._replace(flags=ACK).frame(MACS[RED2], up.router("red/web")))
        assert [read(frame) for frame in went[UPLINKS["gw2"]]] == [asked._replace(source=FLOATING, flags=ACK)]
        answer = asked._replace(source=FLOATING).answer._replace(flags=ACK)
        assert up.back(answer, up.router("red/web"), "gw2") == {RED2: [answer._replace(target=inside)]}
        said = "gw2 takes over 3 network(s) from gw1 (its port inet1 is down)"
        events = lambda: [event["text"] for event in up.centre.client.events(kind="gateway")]  # noqa: E731
        up.centre.wait(lambda: any(text.startswith(said) for text in events()), "it is told")
        up.centre.check_tables()


def test_a_gateway_that_starts_anew_empty_serves_again(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path) as up:
        asked = Segment(INSIDE, 40000, SERVER, 80)
        before = up.out(RED, "red/web", asked)
        up.centre.ovs.ofctl("del-flows", "gw1")
        up.centre.ovs.appctl("dpctl/flush-conntrack")
        up.centre.wait(lambda: up.centre.fabric.rows("gw1") > 0, "rows are back")
        up.centre.wait_in_step()
        after = up.out(RED, "red/web", asked._replace(source_port=40001))
        assert after.source == before.source
        outer = address_mac(after.source)  # type: ignore[arg-type]
        assert up.back(after.answer, outer) == {RED: [asked._replace(source_port=40001).answer]}
        up.centre.check_tables()


def test_what_is_asked_of_members_and_routers_is_answered_where_it_is_asked(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path) as up:
        for target, mac in (("10.0.0.1", up.router("red/web")), ("10.0.0.12", MACS[RED2])):
            found = up.send(RED, question(MACS[RED], INSIDE, ip_address(target)))
            assert [*found] == [RED] and len(found[RED]) == 1
            assert said_in(found[RED][0]) == (ip_address(target), mac)
        own = ip_address("fd00:1::11")
        for target, mac in (("fd00:1::1", up.router("red/web")), ("fd00:1::12", MACS[RED2])):
            found = up.send(RED, question(MACS[RED], own, ip_address(target)))
            assert [*found] == [RED] and len(found[RED]) == 1
            assert said_in(found[RED][0]) == (ip_address(target), mac)
            answer = found[RED][0]
            assert f.checksum(f.pseudo_header(ip_address(target), own, 58, 32) + answer[54:86]) == 0
        # Whom nobody knows everybody is asked for, and what a member says of itself everybody hears.
        assert [*up.send(RED, question(MACS[RED], INSIDE, ip_address("10.0.0.77")))] == [RED2]
        assert [*up.send(RED, question(MACS[RED], INSIDE, INSIDE))] == [RED2]
