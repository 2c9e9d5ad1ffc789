"""Wire formats of what is answered to machines: right by other implementations, and deaf to anything else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers import dhcp as scapy_dhcp
from scapy.layers import dhcp6 as scapy_dhcp6
from scapy.layers import inet, inet6
from scapy.layers.l2 import Ether
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from ryu_vnet.model.outside import Address
from ryu_vnet.services import dhcp, dhcp6, frames, icmp, router
from ryu_vnet.services.icmp import Trouble

MAC, ROUTER = 0x02_00_00_00_01_01, 0x02_76_6F_00_00_10
FOUR = IPv4Address("10.0.0.11"), IPv4Address("198.51.100.1")
SIX = IPv6Address("fd00:1::11"), IPv6Address("2001:db8::1")
GATEWAY, GATEWAY6 = IPv4Address("10.0.0.1"), IPv6Address("fd00:1::1")
DUID = dhcp6.link_layer_identifier(MAC)
OURS = dhcp6.link_layer_identifier(ROUTER)
HOSTILE = st.binary(max_size=400)


def mac(value: int) -> str:
    return value.to_bytes(6, "big").hex(":")


def framed(layers: Layers, to: int = ROUTER) -> bytes:
    return bytes(Ether(src=mac(MAC), dst=mac(to)) / layers)


def read(layers: Layers, to: int = ROUTER) -> frames.Packet:
    packet = frames.read(framed(layers, to))
    assert packet is not None
    return packet


def udp4(payload: bytes = b"payload", **fields: object) -> Layers:
    return inet.IP(src=str(FOUR[0]), dst=str(FOUR[1]), **fields) / inet.UDP(sport=68, dport=67) / Raw(payload)


def udp6(payload: bytes = b"payload", **fields: object) -> Layers:
    return inet6.IPv6(src=str(SIX[0]), dst=str(SIX[1]), **fields) / inet.UDP(sport=546, dport=547) / Raw(payload)


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layers", "addresses"), [(udp4(ttl=7), FOUR), (udp6(hlim=7), SIX)], ids=["IPv4", "IPv6"])
def test_a_packet_is_read(layers: Layers, addresses: tuple[Address, Address]) -> None:
    packet = read(layers)
    assert (packet.to_mac, packet.from_mac, packet.source, packet.destination) == (ROUTER, MAC, *addresses)
    assert (packet.protocol, packet.ttl, packet.is_first, packet.length) == (frames.UDP, 7, True, len(layers))
    assert packet.whole == bytes(layers)
    found = frames.datagram(packet)
    assert found is not None and found.payload == b"payload"


def test_what_ethernet_was_padded_with_is_no_part_of_a_packet() -> None:
    assert read(udp4() / Raw(b"")).whole == bytes(udp4())
    packet = frames.read(framed(udp4()) + b"padding")
    assert packet is not None and packet.whole == bytes(udp4())


def test_extension_headers_of_ipv6_are_passed_over() -> None:
    extensions = inet6.IPv6ExtHdrHopByHop() / inet6.IPv6ExtHdrDestOpt() / inet6.IPv6ExtHdrFragment(offset=0, m=1)
    layers = inet6.IPv6(src=str(SIX[0]), dst=str(SIX[1])) / extensions / inet.UDP(sport=1, dport=2) / Raw(b"x")
    packet = read(layers)
    assert (packet.protocol, packet.is_first) == (frames.UDP, True)
    assert frames.datagram(packet) == (1, 2, b"x")
    later = inet6.IPv6() / inet6.IPv6ExtHdrFragment(offset=3, nh=frames.ICMPV6) / Raw(bytes(16))
    assert not read(later).is_first


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        framed(udp4())[:30],
        framed(udp6())[:50],
        framed(inet.IP(version=5) / inet.UDP()),
        framed(udp4(chksum=1)),
        framed(udp4(ihl=4)),
        framed(udp4(len=10)),
        framed(inet6.IPv6(version=4) / inet.UDP()),
        bytes(Ether() / inet6.IPv6(nh=0, plen=2) / Raw(b"\x11\x05")),
    ],
)
def test_what_is_not_put_as_it_must_be_is_nothing(frame: bytes) -> None:
    assert frames.read(frame) is None


@given(st.sampled_from([b"\x08\x00\x45", b"\x08\x00\x4f", b"\x86\xdd\x60", b""]), HOSTILE, st.integers(0, 255))
def test_anything_at_all_is_read_without_a_word(start: bytes, rest: bytes, following: int) -> None:
    data = bytes(12) + start + rest
    if start.endswith(b"\x60") and len(data) > 20:
        data = data[:20] + bytes((following,)) + data[21:]
    packet = frames.read(data)
    if packet is not None:
        frames.datagram(packet)
        router.is_solicitation(packet)
        icmp.may_be_told(packet)


@given(HOSTILE)
def test_anything_at_all_is_no_question(data: bytes) -> None:
    head = bytes((1, 1, 6, 0)) + bytes(232) + bytes((99, 130, 83, 99))
    for payload in (data, head + data, head + b"\x35\x01\x01" + data):
        dhcp.asked(payload)
    for kind in range(1, 12):
        asked = dhcp6.asked(bytes((kind, 0, 0, 1)) + data, OURS)
        assert asked is None or asked.kind == kind
    with_client = bytes((1, 0, 0, 1, 0, 1, 0, len(DUID))) + DUID
    found = dhcp6.asked(with_client + data, OURS)
    if found is not None:
        given_ = dhcp6.Given(OURS, (SIX[0],), (), 60)
        answer = dhcp6.answer(found, given_, ())
        assert answer is not None and len(answer) < 1200


# --- ICMP errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "kind", "code", "kind6", "code6"),
    [(Trouble.SPENT, 11, 0, 3, 0), (Trouble.LARGE, 3, 4, 2, 0), (Trouble.PROHIBITED, 3, 13, 1, 1)],
)
def test_an_error_says_what_and_quotes(trouble: Trouble, kind: int, code: int, kind6: int, code6: int) -> None:
    for payload in (b"x", bytes(range(256)) * 6):
        four = icmp.error(trouble, read(udp4(payload)), GATEWAY, 1400)
        assert four is not None and len(four) <= 576
        seen = inet.IP(four)
        assert (seen.src, seen.dst, seen.ttl) == (str(GATEWAY), str(FOUR[0]), 64)
        assert (seen[inet.ICMP].type, seen[inet.ICMP].code) == (kind, code)
        assert bytes(udp4(payload)).startswith(four[28:]) and len(four) == min(576, 28 + len(udp4(payload)))
        if trouble is Trouble.LARGE:
            assert seen[inet.ICMP].nexthopmtu == 1400
        assert_checksums_hold(four)
        six = icmp.error(trouble, read(udp6(payload)), GATEWAY6, 1400)
        assert six is not None and len(six) == min(1280, 48 + len(udp6(payload)))
        seen6 = inet6.IPv6(six)
        assert (seen6.src, seen6.dst, six[40], six[41]) == (str(GATEWAY6), str(SIX[0]), kind6, code6)
        assert bytes(udp6(payload)).startswith(six[48:])
        if trouble is Trouble.LARGE:
            assert seen6[inet6.ICMPv6PacketTooBig].mtu == 1400
        assert_checksums_hold(six)


def assert_checksums_hold(packet: bytes) -> None:
    """Another implementation works them out anew, and comes to the same."""
    layers = inet.IP(packet) if packet[0] >> 4 == 4 else inet6.IPv6(packet)
    for layer in layers.layers():
        # What an error quotes is as it came.
        if layer in (inet.IP, inet.ICMP, inet.UDP) or layer.__name__.startswith("ICMPv6"):
            name = "chksum" if "chksum" in layers[layer].fields else "cksum"
            layers[layer].delfieldval(name)
        if layer is inet.ICMP or layer.__name__.startswith("ICMPv6"):
            break
    assert bytes(layers) == packet


@pytest.mark.parametrize(
    "packet",
    [
        *(read(inet.IP(src=str(FOUR[0])) / inet.ICMP(type=kind) / Raw(bytes(28))) for kind in (3, 4, 5, 11, 12)),
        *(read(inet6.IPv6(src=str(SIX[0]), nh=58) / Raw(bytes((kind, *bytes(50))))) for kind in (1, 2, 3, 4, 100, 137)),
        read(udp4(frag=1)),
        read(inet6.IPv6(src=str(SIX[0])) / inet6.IPv6ExtHdrFragment(offset=1, nh=58) / Raw(bytes((128, *bytes(20))))),
        *(
            read(inet.IP(src=source, dst="198.51.100.1") / inet.UDP())
            for source in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1")
        ),
        *(read(inet6.IPv6(src=source, dst=str(SIX[1])) / inet.UDP()) for source in ("::", "ff02::1")),
        *(read(inet.IP(src=str(FOUR[0]), dst=to) / inet.UDP()) for to in ("224.0.0.5", "255.255.255.255")),
        read(inet6.IPv6(src=str(SIX[0]), dst="ff0e::1") / inet.UDP()),
        read(udp4(), to=frames.BROADCAST),
        read(udp6(), to=0x3333_0000_0001),
        read(inet.IP(src=str(FOUR[0]), proto=1)),
    ],
)
def test_of_some_packets_nothing_is_said(packet: frames.Packet) -> None:
    own = GATEWAY if packet.source.version == 4 else GATEWAY6
    assert icmp.error(Trouble.SPENT, packet, own) is None


def test_echo_requests_and_first_fragments_are_answered() -> None:
    echo = inet.IP(src=str(FOUR[0])) / inet.ICMP(type=8)
    assert icmp.error(Trouble.SPENT, read(echo), GATEWAY) is not None
    assert icmp.error(Trouble.SPENT, read(inet6.IPv6(src=str(SIX[0])) / inet6.ICMPv6EchoRequest()), GATEWAY6)
    assert icmp.error(Trouble.SPENT, read(udp4(flags="MF")), GATEWAY) is not None
    assert icmp.error(Trouble.SPENT, read(udp4()), GATEWAY6) is None


# --- DHCP -------------------------------------------------------------------------------------------------------------


def question(*options: tuple[str, object] | str, **fields: object) -> bytes:
    bootp = scapy_dhcp.BOOTP(**{"op": 1, "xid": 0x1234, "chaddr": MAC.to_bytes(6, "big"), **fields})
    return bytes(bootp / scapy_dhcp.DHCP(options=[*options, "end"]))


def test_a_question_is_read() -> None:
    asked = dhcp.asked(
        question(
            ("message-type", "request"),
            ("requested_addr", "10.0.0.11"),
            ("server_id", "10.0.0.1"),
            ("client_id", b"\1" + MAC.to_bytes(6, "big")),
            ("param_req_list", [1, 3, 6]),
            flags=0x8000,
        )
    )
    client = b"\1" + MAC.to_bytes(6, "big")
    assert asked == dhcp.Asked(dhcp.Kind.REQUEST, 0x1234, MAC, 0x8000, None, FOUR[0], GATEWAY, client)
    assert asked.wants_broadcast
    plain = dhcp.asked(question(("message-type", "inform"), ciaddr="10.0.0.11"))
    assert plain == dhcp.Asked(dhcp.Kind.INFORM, 0x1234, MAC, has=FOUR[0])


@pytest.mark.parametrize(
    "payload",
    [
        question(("message-type", "discover"), op=2),
        question(("message-type", "discover"), htype=6),
        question(("message-type", "discover"), hlen=8),
        question(("message-type", "discover"), giaddr="10.0.0.2"),
        question(("message-type", 0)),
        question(("message-type", 13)),
        question(),
        question(("message-type", "discover"), ("requested_addr", "10.0.0.1"))[:240]
        + b"\x35\x01\x01\x32\x03\x01\x02\x03\xff",
        question(("message-type", "discover"))[:240] + b"\x35\x01\x01\x32\x09",
        question(("message-type", "discover"))[:200],
        b"",
    ],
)
def test_what_is_no_question_of_a_client(payload: bytes) -> None:
    assert dhcp.asked(payload) is None


def test_what_a_client_is_given_stands_in_the_answer() -> None:
    asked = dhcp.Asked(dhcp.Kind.REQUEST, 0x1234, MAC, 0x8000, None, FOUR[0], GATEWAY, b"\0me")
    given_ = dhcp.Given(GATEWAY, IPv4Network("10.0.0.0/23"), GATEWAY, (IPv4Address("9.9.9.9"), GATEWAY), 1400, 86400)
    payload = dhcp.answer(dhcp.Kind.ACK, asked, FOUR[0], given_)
    assert len(payload) >= 300
    seen = scapy_dhcp.BOOTP(payload)
    assert (seen.op, seen.xid, seen.yiaddr, seen.ciaddr, seen.flags) == (2, 0x1234, "10.0.0.11", "0.0.0.0", 0x8000)
    assert seen.chaddr[:6] == MAC.to_bytes(6, "big")
    options = {option[0]: option[1:] for option in seen[scapy_dhcp.DHCP].options if isinstance(option, tuple)}
    assert options == {
        "message-type": (5,),
        "server_id": ("10.0.0.1",),
        "lease_time": (86400,),
        "renewal_time": (43200,),
        "rebinding_time": (75600,),
        "subnet_mask": ("255.255.254.0",),
        "router": ("10.0.0.1",),
        "name_server": ("9.9.9.9", "10.0.0.1"),
        "interface-mtu": (1400,),
        "client_id": (b"\0me",),
    }


def test_a_refusal_has_no_address() -> None:
    asked = dhcp.Asked(dhcp.Kind.REQUEST, 7, MAC, 0, FOUR[0], None, None, b"\0me")
    seen = scapy_dhcp.BOOTP(dhcp.answer(dhcp.Kind.NAK, asked, None, dhcp.Given(GATEWAY, IPv4Network("10.0.0.0/24"))))
    names = [option[0] for option in seen[scapy_dhcp.DHCP].options if isinstance(option, tuple)]
    assert (seen.yiaddr, seen.ciaddr) == ("0.0.0.0", "0.0.0.0")
    assert names == ["message-type", "server_id", "error_message", "client_id"]


# --- DHCPv6 -----------------------------------------------------------------------------------------------------------


def solicit(kind: type[Layers], *options: Layers) -> bytes:
    layers = kind(trid=0xABCDEF) / scapy_dhcp6.DHCP6OptClientId(duid=scapy_dhcp6.DUID_LL(lladdr=mac(MAC)))
    for option in options:
        layers /= option
    return bytes(layers)


def association(number: int = 1, *addresses: str) -> Layers:
    inner = [scapy_dhcp6.DHCP6OptIAAddress(addr=address) for address in addresses]
    return scapy_dhcp6.DHCP6OptIA_NA(iaid=number, ianaopts=inner)


SERVER_OPTION = scapy_dhcp6.DHCP6OptServerId(duid=scapy_dhcp6.DUID_LL(lladdr=mac(ROUTER)))
OTHER_SERVER = scapy_dhcp6.DHCP6OptServerId(duid=scapy_dhcp6.DUID_LL(lladdr=mac(MAC)))
DNS = (IPv6Address("fd00::53"), IPv6Address("fd00::54"))


def answered(payload: bytes, *own: IPv6Address, on_link: tuple[IPv6Address, ...] = ()) -> Layers:
    asked = dhcp6.asked(payload, OURS)
    assert asked is not None and asked.transaction == 0xABCDEF
    answer = dhcp6.answer(asked, dhcp6.Given(OURS, own, DNS, 86400), on_link)
    assert answer is not None
    seen = scapy_dhcp6.DHCP6(answer)
    names = scapy_dhcp6.dhcp6_cls_by_type
    return getattr(scapy_dhcp6, names[answer[0]])(answer) if answer[0] in names else seen


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (solicit(scapy_dhcp6.DHCP6_Solicit, association(5)), 2),
        (solicit(scapy_dhcp6.DHCP6_Solicit, association(5), scapy_dhcp6.DHCP6OptRapidCommit()), 7),
        (solicit(scapy_dhcp6.DHCP6_Request, SERVER_OPTION, association(5)), 7),
        (solicit(scapy_dhcp6.DHCP6_Renew, SERVER_OPTION, association(5, str(SIX[0]))), 7),
        (solicit(scapy_dhcp6.DHCP6_Rebind, association(5, str(SIX[0]))), 7),
    ],
    ids=["solicit", "rapid", "request", "renew", "rebind"],
)
def test_addresses_are_given(payload: bytes, kind: int) -> None:
    seen = answered(payload, SIX[0])
    assert (seen.msgtype, seen.trid) == (kind, 0xABCDEF)
    assert bytes(seen[scapy_dhcp6.DHCP6OptServerId].duid) == OURS
    assert bytes(seen[scapy_dhcp6.DHCP6OptClientId].duid) == DUID
    given_ = seen[scapy_dhcp6.DHCP6OptIA_NA]
    (address,) = given_.ianaopts
    assert (given_.iaid, given_.T1, given_.T2) == (5, 21600, 34560)
    assert (address.addr, address.preflft, address.validlft) == (str(SIX[0]), 43200, 86400)
    assert seen[scapy_dhcp6.DHCP6OptDNSServers].dnsservers == [str(server) for server in DNS]
    assert seen.haslayer(scapy_dhcp6.DHCP6OptRapidCommit) == (b"\0\x0e\0\0" in payload)


def test_an_address_of_another_has_no_time_to_live_and_only_the_first_association_gets_one() -> None:
    payload = solicit(scapy_dhcp6.DHCP6_Renew, SERVER_OPTION, association(5, "fd00:1::99"), association(6))
    seen = answered(payload, SIX[0])
    first, second = seen[scapy_dhcp6.DHCP6OptIA_NA], seen.getlayer(scapy_dhcp6.DHCP6OptIA_NA, 2)
    assert [(one.addr, one.validlft) for one in first.ianaopts] == [(str(SIX[0]), 86400), ("fd00:1::99", 0)]
    assert [one.statuscode for one in second.ianaopts] == [2]


def test_who_has_no_address_is_told_so_and_prefixes_are_not_given() -> None:
    prefixes = scapy_dhcp6.DHCP6OptIA_PD(iaid=9)
    seen = answered(solicit(scapy_dhcp6.DHCP6_Solicit, association(5), prefixes))
    assert [one.statuscode for one in seen[scapy_dhcp6.DHCP6OptIA_NA].ianaopts] == [2]
    assert [one.statuscode for one in seen[scapy_dhcp6.DHCP6OptIA_PD].iapdopt] == [6]


def test_where_addresses_are_right_is_confirmed() -> None:
    for named, status in (("fd00:1::99", 0), ("fd00:2::1", 4)):
        payload = solicit(scapy_dhcp6.DHCP6_Confirm, association(5, named))
        seen = answered(payload, SIX[0], on_link=(IPv6Address("fd00:1::99"),))
        assert seen[scapy_dhcp6.DHCP6OptStatusCode].statuscode == status
    asked = dhcp6.asked(solicit(scapy_dhcp6.DHCP6_Confirm, association(5)), OURS)
    assert asked is not None and dhcp6.answer(asked, dhcp6.Given(OURS), ()) is None


def test_what_is_given_back_is_taken_note_of() -> None:
    for kind in (scapy_dhcp6.DHCP6_Release, scapy_dhcp6.DHCP6_Decline):
        seen = answered(solicit(kind, SERVER_OPTION, association(5, str(SIX[0]))), SIX[0])
        assert (seen.msgtype, seen[scapy_dhcp6.DHCP6OptStatusCode].statuscode) == (7, 0)
        assert not seen.haslayer(scapy_dhcp6.DHCP6OptIA_NA)


def test_information_alone_needs_no_identifier() -> None:
    asked = dhcp6.asked(bytes(scapy_dhcp6.DHCP6_InfoRequest(trid=1)), OURS)
    assert asked == dhcp6.Asked(dhcp6.Kind.INFORMATION, 1, None)
    answer = dhcp6.answer(asked, dhcp6.Given(OURS, (SIX[0],), DNS, 60), ())
    seen = scapy_dhcp6.DHCP6_Reply(answer)
    assert seen[scapy_dhcp6.DHCP6OptDNSServers].dnsservers == [str(server) for server in DNS]
    assert not seen.haslayer(scapy_dhcp6.DHCP6OptClientId)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(scapy_dhcp6.DHCP6_Solicit(trid=1)),
        bytes(scapy_dhcp6.DHCP6_Reply(trid=1)),
        solicit(scapy_dhcp6.DHCP6_Solicit, SERVER_OPTION),
        solicit(scapy_dhcp6.DHCP6_Request, association()),
        solicit(scapy_dhcp6.DHCP6_Request, OTHER_SERVER, association()),
        solicit(scapy_dhcp6.DHCP6_InfoRequest, OTHER_SERVER),
        solicit(scapy_dhcp6.DHCP6_InfoRequest, association()),
        solicit(scapy_dhcp6.DHCP6_Solicit, association())[:-3],
        bytes((1, 0, 0, 1, 0, 1, 0, 200)) + bytes(200),
        bytes((1, 0, 0, 1, 0, 1, 0, 2, 0, 0)),
    ],
)
def test_what_is_no_question_of_a_client_of_ours(payload: bytes) -> None:
    assert dhcp6.asked(payload, OURS) is None


# --- routers ----------------------------------------------------------------------------------------------------------


def asks(source: str = "fe80::1", hops: int = 255, code: int = 0, *, tells: bool = True) -> Layers:
    layers = inet6.IPv6(src=source, dst="ff02::2", hlim=hops) / inet6.ICMPv6ND_RS(code=code)
    return layers / inet6.ICMPv6NDOptSrcLLAddr(lladdr=mac(MAC)) if tells else layers


def test_who_asks_for_routers() -> None:
    assert router.is_solicitation(read(asks()))
    assert router.is_solicitation(read(asks("::", tells=False)))
    for wrong in (asks("::"), asks(hops=254), asks(code=1), udp6(), asks() / Raw(b"\1\0")):
        assert not router.is_solicitation(read(wrong))


def test_an_advertisement_says_all() -> None:
    prefixes = (
        router.Announced(IPv6Network("fd00:1::/64"), 0xFFFFFFFF, 0xFFFFFFFF, is_free=True),
        router.Announced(IPv6Network("fd00:2::/64"), 0, 0, is_free=False),
    )
    own = IPv6Address("fe80::76:6fff:fe00:10")
    said = router.Advertisement(65535, True, 1400, prefixes, DNS, 600)
    packet = router.advertisement(ROUTER, own, router.ALL_NODES, said)
    assert_checksums_hold(packet)
    seen = inet6.IPv6(packet)
    assert (seen.src, seen.dst, seen.hlim) == (str(own), "ff02::1", 255)
    head = seen[inet6.ICMPv6ND_RA]
    assert (head.chlim, head.M, head.O, head.routerlifetime, head.H, head.prf) == (64, 1, 1, 65535, 0, 0)
    assert seen[inet6.ICMPv6NDOptSrcLLAddr].lladdr == mac(ROUTER)
    assert seen[inet6.ICMPv6NDOptMTU].mtu == 1400
    options = [seen.getlayer(inet6.ICMPv6NDOptPrefixInfo, number) for number in (1, 2)]
    assert [(one.prefix, one.prefixlen, one.L, one.A, one.validlifetime, one.preferredlifetime) for one in options] == [
        ("fd00:1::", 64, 1, 1, 0xFFFFFFFF, 0xFFFFFFFF),
        ("fd00:2::", 64, 1, 0, 0, 0),
    ]
    servers = seen[inet6.ICMPv6NDOptRDNSS]
    assert (servers.dns, servers.lifetime, servers.len) == ([str(server) for server in DNS], 600, 5)
