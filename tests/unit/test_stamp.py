"""Stamped rows are the rows, byte for byte, or there is no stamp."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_vnet.compiler.facts import Facts
from ryu_vnet.compiler.interface import Local, Speaks, local_rows
from ryu_vnet.compiler.network import Carried, FanOut, fanout_group, network_rows, place_row, wire_fanouts
from ryu_vnet.compiler.pipeline import FANOUT_BUCKETS
from ryu_vnet.compiler.rows import Row
from ryu_vnet.compiler.units import Kind, Unit
from ryu_vnet.fabric.declared import Fabric
from ryu_vnet.fabric.observed import Topology
from ryu_vnet.managers.encoding import Encoder
from ryu_vnet.model.names import Prefix, link_local, placed_mac
from ryu_vnet.model.values import Interface
from ryu_vnet.openflow.rows import encode_group, encode_row
from ryu_vnet.openflow.stamp import Stamp, learn, learn_buckets

T = TypeVar("T")
WORDS = st.integers(0, (1 << 32) - 1)


class Given(Facts):
    """Facts that say of every unit what a test gives."""

    def __init__(self) -> None:
        super().__init__(Topology(Fabric(), {}))
        self.given: list[object] = []

    def local(self, unit: Unit) -> Local | None:
        return self._next(Local)

    def carried(self, unit: Unit) -> Carried | None:
        return self._next(Carried)

    def chunk(self, unit: Unit) -> FanOut | None:
        return self._next(FanOut)

    def _next(self, kind: type[T]) -> T:
        found = self.given.pop(0)
        assert isinstance(found, kind)
        return found


def encoded(rows: list[Row]) -> dict[bytes, bytes]:
    return dict(map(encode_row, rows))


@st.composite
def prefixes(draw: st.DrawFn) -> list[Prefix]:
    """Few lengths, so that one stamp serves several of them, also for addresses with many zeros."""
    found: list[Prefix] = []
    for version, length in draw(st.lists(st.sampled_from([(4, 32), (4, 24), (4, 0), (6, 128), (6, 64)]), max_size=3)):
        bits = 32 if version == 4 else 128
        value = draw(st.one_of(st.integers(0, 3), st.integers(0, (1 << bits) - 1))) >> bits - length << bits - length
        found.append(ip_network((value, length)) if version == 4 else ip_network((value.to_bytes(16, "big"), length)))
    return found


@st.composite
def locals_(draw: st.DrawFn) -> Local:
    """Numbers as small, large and like each other as they can be."""
    number = draw(st.one_of(st.integers(1, 3), st.integers(1, (1 << 28) - 1)))
    mac = draw(st.one_of(st.just(0x02_00_00_00_00_01), st.just(number), st.integers(1, (1 << 40) - 1)))
    ips: list[Prefix] = draw(prefixes())
    if draw(st.booleans()):
        ips.append(link_local(mac))
    speaks = draw(st.sampled_from(Speaks))
    port = draw(st.one_of(st.just(number), st.integers(1, 0xFFFFFEFF)))
    network = draw(st.integers(16, 0xFFFFF)) if speaks is not Speaks.NOWHERE else 0
    tag = draw(st.integers(0, 4094)) if speaks is Speaks.ON_ONE else 0
    interface = Interface("eth0", number, mac, tuple(ips))
    return Local("s", interface, port, draw(st.booleans()), speaks, network, tag)


@settings(max_examples=300, deadline=None)
@given(st.lists(locals_(), min_size=1, max_size=6))
def test_rows_of_interfaces(drawn: list[Local]) -> None:
    facts = Given()
    encoder = Encoder(facts)
    for local in drawn:
        facts.given = [local]
        rows = [*local_rows(local)]
        assert encoder.encode(Unit(Kind.LOCAL, "", "", 1)) == {"s": encoded(rows)}


@st.composite
def carrieds(draw: st.DrawFn) -> Carried:
    chunks = draw(st.sets(st.integers(1, 2047), max_size=3))
    wires = draw(st.one_of(st.lists(WORDS, max_size=3), st.just([*range(FANOUT_BUCKETS + 1)])))
    places = draw(st.lists(st.tuples(st.integers(1, 4095), WORDS), max_size=3, unique_by=lambda place: place[0]))
    tag = draw(st.integers(0, 4094))
    return Carried(
        draw(st.integers(16, 0xFFFFF)),
        tag,
        bool(tag) and draw(st.booleans()),
        draw(st.booleans()),
        tuple(sorted(chunks)),
        tuple(wires),
        tuple((placed_mac(segment) or 0, toward) for segment, toward in places),
        draw(st.one_of(st.just(0), WORDS)),
        draw(st.booleans()),
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(carrieds(), min_size=1, max_size=6))
def test_rows_and_groups_of_networks(drawn: list[Carried]) -> None:
    facts = Given()
    encoder = Encoder(facts)
    for here in drawn:
        facts.given = [here]
        wanted: dict[bytes | int, bytes] = {**encoded([*network_rows(here)])}
        wanted.update(encoded([place_row(here.number, *place) for place in here.places]))
        wanted.update({fanout.group: encode_group(fanout_group(fanout)) for fanout in wire_fanouts(here)})
        assert encoder.encode(Unit(Kind.NETWORK, "n", "s", 0)) == {"s": wanted}


@given(st.lists(WORDS, max_size=70), st.integers(16, 0xFFFFF))
def test_groups_of_members(targets: list[int], network: int) -> None:
    facts = Given()
    facts.given = [FanOut(1 << 20 | network, network, tuple(targets))]
    wanted = encode_group(fanout_group(FanOut(1 << 20 | network, network, tuple(targets))))
    assert Encoder(facts).encode(Unit(Kind.CHUNK, "n", "s", 1)) == {"s": {1 << 20 | network: wanted}}


def test_a_number_that_stands_elsewhere_by_chance_is_no_slot() -> None:
    """In the first sample a fixed part looks like a number: other samples tell, and nothing is stamped wrongly."""
    samples = [[(b"key:\xab\xab", b"value:\xab")], [(b"key:\xab\xcd", b"value:\xcd")]]
    assert learn([[b"\xab"], [b"\xcd"]], samples) is None


def test_two_numbers_that_are_the_same_in_the_first_sample() -> None:
    samples = [[(b"key:\x01\x01", b"v")], [(b"key:\x02\x03", b"v")]]
    assert learn([[b"\x01", b"\x01"], [b"\x02", b"\x03"]], samples) is None


def test_an_empty_slot_stands_nowhere() -> None:
    keys, values = Stamp([(b"key", b"value")], [b"", b"ey"])([b"", b"EY"])
    assert (keys, values) == ((b"kEY",), (b"value",))


def test_buckets_that_differ_in_more_than_a_number() -> None:
    assert learn_buckets([[], [b"\x01"], [b"\x02"]], [b"g", b"g(\x01)", b"g[\x02]"]) is None
