"""What the controller answers to frames that switches tell of: whom, from where, how often, and by which way."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from memory_store import MemoryStore
from scapy.layers import dhcp as scapy_dhcp
from scapy.layers import dhcp6 as scapy_dhcp6
from scapy.layers import inet, inet6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from ryu_vnet.compiler.pipeline import ANSWER, OUTBOUND, TO_FORWARD, UPLINK, From
from ryu_vnet.compiler.rows import Action, Origin, Output, SetField, Subject, cookie_of
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.advertising import AT_ONCE, EVERY_SECONDS
from ryu_vnet.managers.answering import NO_ROUTER, Service
from ryu_vnet.managers.communication import State
from ryu_vnet.managers.serving import MOST_OF_ALL, MOST_OF_ONE, Refused
from ryu_vnet.managers.system import System
from ryu_vnet.model.outside import router_mac
from ryu_vnet.model.values import Network
from ryu_vnet.openflow.actions import decode_actions
from ryu_vnet.openflow.replies import PacketIn, split
from ryu_vnet.openflow.wire import MessageType, Version
from ryu_vnet.schema import Intent
from ryu_vnet.services.icmp import Trouble

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "internet.yaml"
LEASED, OTHER = "02:00:00:00:07:01", "02:00:00:00:07:02"
Json = dict[str, Any]


def internet() -> Json:
    """The file, with a network whose nodes were asked to have no addresses, and an outside that takes less."""
    document: Json = yaml.safe_load(TOPOLOGY.read_text())
    document["fabric"]["outside"]["internet"]["mtu"] = 1400
    red = document["tenants"]["red"]
    subnets = [{"prefix": "192.168.7.0/24", "dns": ["9.9.9.9"]}, {"prefix": "fd00:7::/64", "dns": ["fd00:7::53"]}]
    red["networks"]["auto"] = {"subnets": subnets}
    for name, mac, at in (("auto1", LEASED, "host1:red-auto1"), ("auto2", OTHER, "host3:red-auto2")):
        red["nodes"][name] = {"running": True, "interfaces": {"eth0": {"mac": mac, "at": at, "network": "auto"}}}
    return document


class Sent:
    """A frame that a switch was handed: what is to be done to it, and the frame."""

    def __init__(self, switch: str, message: bytes) -> None:
        length = int.from_bytes(message[16:18], "big")
        self.switch = switch
        self.actions: tuple[Action, ...] = tuple(decode_actions(message[24 : 24 + length]))
        self.frame = Ether(message[24 + length :])


class Controller:
    """A controller whose switches are all there and in step. Time goes on by `run`."""

    def __init__(self, document: Json) -> None:
        self.now = 1000.0
        self.sent: list[Sent] = []
        self.system = System(MemoryStore(), self._send, lambda: self.now)
        self.system.request(lambda work: requests.apply(work, Intent.model_validate(document)))
        system, ports = self.system, dict[str, dict[str, PortState]]()
        places = [end for link in system.fabric.links for end in (link.a, link.b)]
        places += [one.place for node in system.model.nodes() for one in node.interfaces if one.place is not None]
        for place in places:
            known = ports.setdefault(place.switch, {})
            known[place.port] = PortState(len(known) + 1, up=True)
        for name, switch in system.fabric.switches.items():
            for uplink in switch.uplinks:
                ports[name][uplink.port] = PortState(len(ports[name]) + 1, up=True)
        for name, known in ports.items():
            system._on_ports(name, known)
        for name, manager in system.switches.items():
            system.switch_connected(name, Version.OF14)
            manager.state, manager.admitted = State.IN_STEP, True
        self.sent.clear()

    def _send(self, switch: str, chunks: Iterable[bytes]) -> None:
        for message in split(b"".join(chunks))[0]:
            if message[1] == MessageType.PACKET_OUT:
                self.sent.append(Sent(switch, message))

    def network(self, ref: str) -> Network:
        network = self.system.model.network(ref)
        assert network is not None
        return network

    def port(self, place: str) -> int:
        switch, _, port = place.partition(":")
        return self.system.topology.numbers(switch)[port]

    def tell(self, switch: str, table: int, origin: Origin, port: int, frame: Layers | bytes) -> list[Sent]:
        """A row tells of a frame; what was sent then."""
        self.sent.clear()
        self.system._on_heard(switch, PacketIn(cookie_of(origin), port, bytes(frame), table))
        return [*self.sent]

    def ask(self, place: str, ref: str, frame: Layers | bytes) -> list[Sent]:
        """A member asks something; what was sent then."""
        origin = Origin(Subject.NETWORK, self.network(ref).number)
        return self.tell(place.partition(":")[0], ANSWER.table, origin, self.port(place), frame)

    def outbound(self, ref: str, frame: Layers | bytes, table: int = OUTBOUND.table) -> list[Sent]:
        """A network's router cannot forward something; what was sent then."""
        gateway = self.system.model.gateway(ref)
        assert gateway is not None
        return self.tell(gateway.switch, table, Origin(Subject.NETWORK, gateway.network), 1, frame)

    def run(self, seconds: int) -> list[Sent]:
        """Time goes by; what was sent meanwhile, but for questions to next routers."""
        self.sent.clear()
        for _ in range(seconds):
            self.now += 1
            self.system.serving.tick()
        return [*self.sent]


@pytest.fixture
def controller() -> Controller:
    return Controller(internet())


def mac(value: int) -> str:
    return value.to_bytes(6, "big").hex(":")


def probe(ref: str, controller: Controller, **fields: Any) -> Layers:
    """A packet of red/web1's, to the router of its network."""
    ethernet = Ether(src="02:00:00:00:01:01", dst=mac(router_mac(controller.network(ref).number)))
    return (
        ethernet / inet.IP(**{"src": "10.0.0.11", "dst": "198.51.100.1", "ttl": 1, **fields}) / inet.UDP() / Raw(b"x")
    )


def registers(sent: Sent) -> dict[str, int]:
    *sets, last = sent.actions
    assert last == TO_FORWARD
    return {action.field.name: action.value for action in sets if isinstance(action, SetField)}


# --- what is not forwarded --------------------------------------------------------------------------------------------


def test_who_is_out_of_hops_is_told_in_his_network_by_the_router(controller: Controller) -> None:
    number = controller.network("red/web").number
    (sent,) = controller.outbound("red/web", probe("red/web", controller))
    gateway = controller.system.model.gateway("red/web")
    assert gateway is not None and sent.switch == gateway.switch
    grant = controller.system.model.grant("G", number)
    assert registers(sent) == {"reg0": number, "reg2": grant.tag if grant else 0, "reg4": From.ACCESS}
    assert (sent.frame.src, sent.frame.dst) == (mac(router_mac(number)), "02:00:00:00:01:01")
    assert (sent.frame[inet.IP].src, sent.frame[inet.IP].dst) == ("10.0.0.1", "10.0.0.11")
    assert (sent.frame[inet.ICMP].type, sent.frame[inet.ICMP].code) == (11, 0)
    six = (
        Ether(src="02:00:00:00:01:01", dst=sent.frame.src)
        / inet6.IPv6(src="fd00:1::11", dst="2001:db8::1", hlim=1)
        / inet.UDP()
    )
    (sent,) = controller.outbound("red/web", six)
    assert (sent.frame[inet6.IPv6].src, sent.frame[inet6.IPv6].dst) == ("fd00:1::1", "fd00:1::11")
    assert sent.frame.haslayer(inet6.ICMPv6TimeExceeded)
    assert controller.system.serving.answered == {Trouble.SPENT: 2}


def test_who_sends_too_much_at_once_is_told_how_much_may_be(controller: Controller) -> None:
    large = probe("red/web", controller, ttl=64, flags="DF") / Raw(bytes(1400))
    (sent,) = controller.outbound("red/web", large)
    assert (sent.frame[inet.ICMP].type, sent.frame[inet.ICMP].code) == (3, 4)
    assert sent.frame[inet.ICMP].nexthopmtu == 1400
    # A switch need not tell of all of it.
    (sent,) = controller.outbound("red/web", bytes(large)[:256])
    assert sent.frame[inet.ICMP].nexthopmtu == 1400
    assert controller.system.serving.answered == {Trouble.LARGE: 2}


def test_what_nothing_may_be_said_of_is_counted(controller: Controller) -> None:
    for frame in (
        probe("red/web", controller, ttl=64),
        probe("red/web", controller, src="10.9.9.9"),
        probe("red/web", controller, dst="224.0.0.1"),
        b"",
        Ether() / Dot1Q(vlan=5) / inet.IP(ttl=1),
        Ether() / ARP(),
    ):
        assert controller.outbound("red/web", frame) == []
    serving = controller.system.serving
    assert serving.refused == {Refused.FORM: 6} and not serving.answered
    assert controller.tell("gw1", OUTBOUND.table, Origin(Subject.NETWORK, 999), 1, probe("red/web", controller)) == []
    assert serving.refused[Refused.NOBODY] == 1


def test_nobody_and_all_together_are_answered_so_much_and_no_more(controller: Controller) -> None:
    frame = probe("red/web", controller)
    assert sum(len(controller.outbound("red/web", frame)) for _ in range(20)) == MOST_OF_ONE
    others = [probe("red/web", controller, src=f"10.0.0.{last}") for last in range(12, 252)]
    answered = sum(len(controller.outbound("red/web", one)) for one in others)
    assert answered == MOST_OF_ALL - MOST_OF_ONE
    # Errors leave room for who asks for addresses.
    assert len(controller.ask("host1:red-auto1", "red/auto", discover())) == 1
    controller.run(1)
    assert len(controller.outbound("red/web", frame)) == 1


def test_the_outside_is_told_how_much_nodes_take() -> None:
    document = internet()
    document["fabric"]["mtu"] = 1300
    controller = Controller(document)
    switch = controller.system.fabric.switches["gw1"]
    origin, port = Origin(Subject.SWITCH, switch.number), controller.port("gw1:inet1")
    ip = inet.IP(src="198.51.100.1", dst="203.0.113.50", flags="DF")
    frame = Ether(src="02:aa:00:00:00:01", dst="02:76:6e:00:00:04") / ip / inet.UDP() / Raw(bytes(1400))
    (sent,) = controller.tell("gw1", UPLINK.table, origin, port, frame)
    assert sent.actions == (Output(port),) and sent.switch == "gw1"
    assert (sent.frame[inet.IP].src, sent.frame[inet.IP].dst) == ("203.0.113.2", "198.51.100.1")
    assert (sent.frame.dst, sent.frame[inet.ICMP].nexthopmtu) == ("02:aa:00:00:00:01", 1300)
    six = inet6.IPv6(src="2001:db8::1", dst="2001:db8:a:7::11") / inet.UDP() / Raw(bytes(1400))
    (sent,) = controller.tell("gw1", UPLINK.table, origin, port, Ether(src="02:aa:00:00:00:01", dst=frame.dst) / six)
    assert sent.frame[inet6.ICMPv6PacketTooBig].mtu == 1300
    # What next routers say there is for others, and nobody's mistake.
    told = Ether() / inet6.IPv6(hlim=255) / inet6.ICMPv6ND_NA(tgt="2001:db8:ff::1")
    assert controller.tell("gw1", UPLINK.table, origin, port, told) == []
    assert not controller.system.serving.refused


# --- DHCP -------------------------------------------------------------------------------------------------------------


def discover(kind: str = "discover", source: str = LEASED, to: str = "255.255.255.255", **fields: Any) -> Layers:
    options = [("message-type", kind), *fields.pop("options", ()), "end"]
    own = fields.get("ciaddr", "0.0.0.0")
    bootp = scapy_dhcp.BOOTP(**{"chaddr": bytes.fromhex(source.replace(":", "")), "xid": 7, **fields})
    udp = inet.IP(src=own, dst=to) / inet.UDP(sport=68, dport=67)
    return Ether(src=source, dst="ff:ff:ff:ff:ff:ff") / udp / bootp / scapy_dhcp.DHCP(options=options)


def answer(sent: list[Sent]) -> Json:
    (one,) = sent
    layers = one.frame
    options = {option[0]: option[1] for option in layers[scapy_dhcp.DHCP].options if isinstance(option, tuple)}
    return {"to": (layers.dst, layers[inet.IP].dst), "yiaddr": layers[scapy_dhcp.BOOTP].yiaddr, **options}


PLACE = "host1:red-auto1"
ADDRESS = "192.168.7.2"


def test_a_machine_is_offered_its_own_address_out_of_its_port(controller: Controller) -> None:
    sent = controller.ask(PLACE, "red/auto", discover())
    assert sent[0].actions == (Output(controller.port(PLACE)),) and sent[0].switch == "host1"
    assert sent[0].frame.src == mac(router_mac(controller.network("red/auto").number))
    found = answer(sent)
    assert found["to"] == (LEASED, ADDRESS) and found["message-type"] == 2 and found["yiaddr"] == ADDRESS
    assert (found["server_id"], found["router"], found["name_server"]) == ("192.168.7.1", "192.168.7.1", "9.9.9.9")
    assert (found["subnet_mask"], found["interface-mtu"], found["lease_time"]) == ("255.255.255.0", 1500, 86400)
    everybody = answer(controller.ask(PLACE, "red/auto", discover(flags=0x8000)))
    assert everybody["to"] == ("ff:ff:ff:ff:ff:ff", "255.255.255.255")


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (discover("request", options=[("requested_addr", ADDRESS), ("server_id", "192.168.7.1")]), 5),
        (discover("request", options=[("requested_addr", ADDRESS)]), 5),
        (discover("request", ciaddr=ADDRESS, to="192.168.7.1"), 5),
        (discover("request", ciaddr=ADDRESS), 5),
        (discover("request", options=[("requested_addr", "192.168.7.9")]), 6),
        (discover("request", ciaddr="10.0.0.7"), 6),
        (discover("inform", ciaddr=ADDRESS), 5),
        (discover("request", options=[("requested_addr", ADDRESS), ("server_id", "192.168.7.66")]), None),
        (discover("request"), None),
        (discover("inform", ciaddr="192.168.7.9"), None),
        (discover("release", ciaddr=ADDRESS), None),
        (discover("decline", options=[("requested_addr", ADDRESS)]), None),
        (discover(to="192.168.7.66"), None),
        (discover(source=OTHER), None),
        (discover(chaddr=bytes(6)), None),
    ],
)
def test_what_is_answered_to_which_request(controller: Controller, frame: Layers, kind: int | None) -> None:
    sent = controller.ask(PLACE, "red/auto", frame)
    assert (answer(sent)["message-type"] if sent else None) == kind
    if kind == 6:
        assert answer(sent)["yiaddr"] == "0.0.0.0" and answer(sent)["to"][1] == "255.255.255.255"
    if frame[scapy_dhcp.DHCP].options[0][1] == "inform" and sent:
        assert answer(sent)["yiaddr"] == "0.0.0.0" and "lease_time" not in answer(sent)
        assert answer(sent)["to"][1] == ADDRESS


def test_who_was_asked_to_have_an_address_is_given_that(controller: Controller) -> None:
    found = answer(controller.ask("host1:red-web1", "red/web", discover(source="02:00:00:00:01:01")))
    assert found["yiaddr"] == "10.0.0.11"


def test_without_a_router_a_server_has_an_address_all_the_same() -> None:
    document = internet()
    document["tenants"]["red"]["networks"]["auto"]["subnets"][0] |= {"gateway": None}
    alone = Controller(document)
    network = alone.network("red/auto")
    assert network.subnets[0].gateway is None
    found = answer(alone.ask(PLACE, "red/auto", discover()))
    assert found["server_id"] == str(NO_ROUTER) and "router" not in found


def test_who_does_not_run_there_or_is_not_in_the_network_gets_nothing(controller: Controller) -> None:
    assert controller.ask(PLACE, "red/web", discover()) == []
    assert controller.ask("host1:host1-edgeA", "red/auto", discover()) == []
    controller.system.request(lambda work: requests.stop(work, "red", "auto1"))
    assert controller.ask(PLACE, "red/auto", discover()) == []
    assert controller.system.serving.refused == {Refused.NOBODY: 3}


def test_who_is_in_several_networks_is_answered_by_the_one_that_he_has_an_address_in() -> None:
    document = internet()
    document["tenants"]["red"]["networks"]["plain"] = {}
    interface = document["tenants"]["red"]["nodes"]["auto1"]["interfaces"]["eth0"]
    interface["networks"] = ["plain", interface.pop("network")]
    controller = Controller(document)
    (combination,) = controller.system.model.combinations()
    for origin in (Origin(Subject.NETWORK, combination.number), Origin(Subject.INTERFACE, 1)):
        sent = controller.tell("host1", ANSWER.table, origin, controller.port(PLACE), discover())
        assert answer(sent)["yiaddr"] == ADDRESS


# --- DHCPv6 -----------------------------------------------------------------------------------------------------------


def solicit(source: str = "fe80::ff:fe00:701", to: str = "ff02::1:2") -> Layers:
    client = scapy_dhcp6.DHCP6OptClientId(duid=scapy_dhcp6.DUID_LL(lladdr=LEASED))
    payload = scapy_dhcp6.DHCP6_Solicit(trid=9) / client / scapy_dhcp6.DHCP6OptIA_NA(iaid=3)
    return Ether(src=LEASED) / inet6.IPv6(src=source, dst=to) / inet.UDP(sport=546, dport=547) / payload


def test_by_dhcp_for_ipv6_it_is_the_address_that_it_forms_itself(controller: Controller) -> None:
    (sent,) = controller.ask(PLACE, "red/auto", solicit())
    assert sent.actions == (Output(controller.port(PLACE)),)
    assert (sent.frame.dst, sent.frame[inet6.IPv6].dst) == (LEASED, "fe80::ff:fe00:701")
    (given,) = sent.frame[scapy_dhcp6.DHCP6OptIA_NA].ianaopts
    assert given.addr == "fd00:7::ff:fe00:701"
    assert sent.frame[scapy_dhcp6.DHCP6OptDNSServers].dnsservers == ["fd00:7::53"]
    assert controller.ask(PLACE, "red/auto", solicit(source="fd00:7::ff:fe00:701")) == []
    assert controller.ask(PLACE, "red/auto", solicit(to="fe80::1")) == []
    assert controller.system.serving.answered == {Service.DHCP6: 1}


# --- routers ----------------------------------------------------------------------------------------------------------


def rs(source: str = "fe80::ff:fe00:701", ethernet: str = LEASED) -> Layers:
    return Ether(src=ethernet) / inet6.IPv6(src=source, dst="ff02::2", hlim=255) / inet6.ICMPv6ND_RS()


def prefixes(frame: Layers) -> dict[str, tuple[int, int]]:
    """Whether machines may form addresses in each prefix, and how long it is there."""
    found = (frame.getlayer(inet6.ICMPv6NDOptPrefixInfo, number) for number in (1, 2, 3))
    return {one.prefix: (one.A, one.validlifetime) for one in found if one is not None}


def test_who_asks_for_routers_is_told_alone(controller: Controller) -> None:
    (sent,) = controller.ask(PLACE, "red/auto", rs())
    assert sent.actions == (Output(controller.port(PLACE)),)
    assert (sent.frame.dst, sent.frame[inet6.IPv6].dst) == (LEASED, "fe80::ff:fe00:701")
    head = sent.frame[inet6.ICMPv6ND_RA]
    assert (head.M, head.O, head.routerlifetime) == (1, 1, 65535)
    assert prefixes(sent.frame) == {"fd00:7::": (1, 0xFFFFFFFF)}
    assert sent.frame[inet6.ICMPv6NDOptMTU].mtu == 1500
    assert sent.frame[inet6.ICMPv6NDOptRDNSS].dns == ["fd00:7::53"]
    (sent,) = controller.ask(PLACE, "red/auto", rs("::"))
    assert sent.frame[inet6.IPv6].dst == "ff02::1"


def test_who_may_not_have_the_address_that_it_would_form_is_not_told_to(controller: Controller) -> None:
    (sent,) = controller.ask("host1:red-web1", "red/web", rs("fe80::ff:fe00:101", "02:00:00:00:01:01"))
    assert prefixes(sent.frame) == {"fd00:1::": (0, 0xFFFFFFFF)}


def advertised(controller: Controller, seconds: int) -> dict[int, list[Sent]]:
    """What routers said of themselves meanwhile, by network."""
    found: dict[int, list[Sent]] = {}
    for sent in controller.run(seconds):
        assert sent.frame.dst == "33:33:00:00:00:01" and sent.frame[inet6.IPv6].dst == "ff02::1"
        found.setdefault(registers(sent)["reg0"], []).append(sent)
    return found


def test_each_router_says_who_it_is_in_turn(controller: Controller) -> None:
    controller.run(60)
    numbers = {controller.network(ref).number for ref in ("red/web", "red/auto", "red/db", "green/plain")}
    found = advertised(controller, 3 * EVERY_SECONDS)
    assert {number: len(sent) for number, sent in found.items()} == dict.fromkeys(numbers, 3)
    # Where somebody has an address of another kind, nobody is told to form one.
    by_ref = {ref: prefixes(found[controller.network(ref).number][0].frame) for ref in ("red/web", "red/auto")}
    assert by_ref == {"red/web": {"fd00:1::": (0, 0xFFFFFFFF)}, "red/auto": {"fd00:7::": (1, 0xFFFFFFFF)}}


def test_what_changes_is_said_at_once_and_what_is_gone_as_well(controller: Controller) -> None:
    number = controller.network("red/auto").number
    assert len(advertised(controller, 10)[number]) == 3
    assert number not in advertised(controller, 10)
    document = internet()
    document["tenants"]["red"]["networks"]["auto"]["subnets"][1] = {"prefix": "fd00:8::/64"}
    controller.system.request(lambda work: requests.apply(work, Intent.model_validate(document)))
    for manager in controller.system.switches.values():
        manager.state = State.IN_STEP
        manager.off.clear()
    first = advertised(controller, 1)[number][0]
    assert prefixes(first.frame) == {"fd00:7::": (1, 0), "fd00:8::": (1, 0xFFFFFFFF)}
    del document["tenants"]["red"]["networks"]["auto"]["subnets"][1]
    controller.system.request(lambda work: requests.apply(work, Intent.model_validate(document)))
    for manager in controller.system.switches.values():
        manager.state = State.IN_STEP
        manager.off.clear()
    last = advertised(controller, 1)[number][0]
    assert prefixes(last.frame) == {"fd00:7::": (1, 0), "fd00:8::": (1, 0)}
    assert last.frame[inet6.ICMPv6ND_RA].routerlifetime == 0


def test_a_restart_says_nothing_by_itself() -> None:
    store = MemoryStore()
    first = System(store, lambda name, chunks: None, lambda: 0.0)
    first.request(lambda work: requests.apply(work, Intent.model_validate(internet())))
    sent: list[bytes] = []
    again = System(store, lambda name, chunks: sent.extend(chunks), lambda: 0.0)
    for name, manager in again.switches.items():
        again.switch_connected(name, Version.OF14)
        manager.state = State.IN_STEP
    sent.clear()
    again.serving.tick()
    assert sent == []


def test_many_networks_make_no_burst(controller: Controller) -> None:
    many = {
        "tenants": {
            "many": {
                "networks": {f"n{n}": {"subnets": [f"fd01:{n:x}::/64"]} for n in range(200)},
                "nodes": {
                    f"n{n}": {
                        "running": True,
                        "interfaces": {
                            "eth0": {
                                "mac": f"02:00:01:00:{n >> 8:02x}:{n & 255:02x}",
                                "at": f"host1:m{n}",
                                "network": f"n{n}",
                            }
                        },
                    }
                    for n in range(200)
                },
            }
        }
    }
    controller.system.request(lambda work: requests.apply(work, Intent.model_validate(many)))
    for manager in controller.system.switches.values():
        manager.state = State.IN_STEP
        manager.off.clear()
    assert max(len(controller.run(1)) for _ in range(100)) == AT_ONCE
    assert max(len(controller.run(1)) for _ in range(EVERY_SECONDS)) <= 1


def test_addresses_of_the_test_are_what_they_are_meant_to_be(controller: Controller) -> None:
    member = controller.system.model.node("red/auto1")
    assert member is not None
    assert [str(prefix[0]) for prefix in member.interfaces[0].leases] == [ADDRESS, "fd00:7::ff:fe00:701"]
    assert ip_address(ADDRESS) in controller.network("red/auto").subnets[0]
