"""What a database says becomes sightings, or complaints; whatever it says, nothing is raised and everything bounded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ryu_vnet.errors import Unreachable
from ryu_vnet.managers.sightings import LONGEST, MOST_COMPLAINTS, MOST_SIGHTINGS, SHOWN, Complaint, Sighting, read
from ryu_vnet.ovsdb_json import MOST_CHARACTERS, JsonStream
from ryu_vnet.ovsdb_replica import COLUMNS, MOST_HELD, Replica

DPID = "00000000000000aa"
IDS = {"iface-id": "web-1", "attached-mac": "02:00:00:00:00:01", "vm-id": "vm-1", "iface-status": "active"}
SEEN = Sighting(0xAA, "tap1", 1, "web-1", 0x020000000001, "vm-1")


def rows(**changes: Any) -> dict[str, Any]:
    """One bridge, port and interface; of the interface these columns are others."""
    interface = {"name": "tap1", "ofport": 1, "external_ids": IDS, **changes}
    return {
        "Bridge": {"b1": {"datapath_id": DPID, "ports": {"p1"}}},
        "Port": {"p1": {"interfaces": {"i1"}}},
        "Interface": {"i1": interface},
    }


def parted(said: dict[str, Any]) -> tuple[list[Sighting], list[Complaint]]:
    found = list(read(said))
    return (
        [each for each in found if isinstance(each, Sighting)],
        [each for each in found if isinstance(each, Complaint)],
    )


def test_an_interface_is_seen_where_it_is() -> None:
    assert parted(rows()) == ([SEEN], [])


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"vm-uuid": "openstack"}, "openstack"),
        ({"xs-vm-uuid": "xen"}, "xen"),
        ({"vm-id": "libvirt", "vm-uuid": "openstack"}, "libvirt"),
    ],
)
def test_the_machine_is_known_by_whatever_its_platform_calls_it(ids: dict[str, str], expected: str) -> None:
    assert parted(rows(external_ids=ids)) == ([Sighting(0xAA, "tap1", 1, None, None, expected)], [])


@pytest.mark.parametrize(("ofport", "expected"), [(None, None), (-1, None), (1, 1), (0xFEFF, 0xFEFF), (0xFFFE, 0xFFFE)])
def test_a_port_that_the_switch_does_not_have_has_no_number(ofport: int | None, expected: int | None) -> None:
    (seen,), complaints = parted(rows(ofport=ofport))
    assert seen.ofport == expected and not complaints


def test_who_says_nothing_is_not_seen() -> None:
    for ids in (None, {}, {"iface-status": "active"}, {"other": "x"}):
        assert parted(rows(external_ids=ids)) == ([], [])


def test_an_interface_not_in_use_is_seen_as_such() -> None:
    (seen,), complaints = parted(rows(external_ids={**IDS, "iface-status": "inactive"}))
    assert not seen.is_active and not complaints
    (seen,), complaints = parted(rows(external_ids={**IDS, "iface-status": "perhaps"}))
    assert not seen.is_active and len(complaints) == 1


GROUPS = ["01:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"]


@pytest.mark.parametrize(
    "mac",
    [
        *("", "02:00:00:00:00", "02-00-00-00-00-01", "02:00:00:00:00:0g", "02:00:00:00:00:01\n", "0x020000000001"),
        *("00:00:00:00:00:00", "\u0660\u0662:00:00:00:00:01", 5, True, None, ["02:00:00:00:00:01"], *GROUPS),
    ],
)
def test_a_malformed_mac_is_left_out_alone(mac: Any) -> None:
    (seen,), (complaint,) = parted(rows(external_ids={**IDS, "attached-mac": mac}))
    assert seen == Sighting(0xAA, "tap1", 1, "web-1", None, "vm-1")
    assert complaint.where == "external_ids:attached-mac of tap1"


@pytest.mark.parametrize(
    "text", ["", "x" * (LONGEST + 1), "a\nb", "a\0", chr(0xD800), "\ufffd", 1, None, 1.5, {}, "\u202e"]
)
def test_a_malformed_identity_is_left_out_alone(text: Any) -> None:
    (seen,), (complaint,) = parted(rows(external_ids={**IDS, "iface-id": text}))
    assert (seen.iface_id, seen.vm_id) == (None, "vm-1")
    assert len(complaint.value) <= SHOWN and complaint.value.isprintable()
    assert parted(rows(external_ids={"iface-id": text}))[0] == []
    assert parted(rows(name=text))[0] == []


@pytest.mark.parametrize("ofport", [0, -2, 0xFF00, 0xFFFF, 10**4000, "1", True, 1.0, float("nan"), [1]])
def test_a_malformed_number_is_left_out_alone(ofport: Any) -> None:
    (seen,), (complaint,) = parted(rows(ofport=ofport))
    assert seen.ofport is None and complaint.where == "ofport of tap1"


def test_what_is_in_two_places_is_in_none() -> None:
    twice = rows()
    twice["Port"]["p2"] = {"interfaces": {"i1"}}
    twice["Bridge"]["b1"]["ports"] = {"p1", "p2"}
    shared = rows()
    shared["Bridge"]["b2"] = {"datapath_id": "00000000000000bb", "ports": {"p1"}}
    named = rows()
    named["Interface"]["i2"] = dict(named["Interface"]["i1"])
    named["Port"]["p1"]["interfaces"] = {"i1", "i2"}
    claimed = rows()
    claimed["Bridge"]["b2"] = {"datapath_id": DPID.upper(), "ports": set()}
    for said in (twice, shared, named, claimed):
        sightings, complaints = parted(said)
        assert not sightings and complaints


@pytest.mark.parametrize("dpid", [None, "", "aa", f"{DPID}0", "0x000000000000aa", 170, f"{DPID}\n"])
def test_a_bridge_without_an_identifier_has_no_places(dpid: Any) -> None:
    said = rows()
    said["Bridge"]["b1"]["datapath_id"] = dpid
    assert parted(said)[0] == [] and "datapath_id" in parted(said)[1][0].where


def test_a_bond_is_several_ports_and_two_ports_may_say_the_same() -> None:
    said = rows()
    said["Interface"]["i2"] = {"name": "tap2", "external_ids": IDS}
    said["Port"]["p1"]["interfaces"] = {"i1", "i2"}
    assert [each.port for each in parted(said)[0]] == ["tap1", "tap2"]


def many(count: int, ids: dict[str, Any]) -> dict[str, Any]:
    return {
        "Bridge": {"b1": {"datapath_id": DPID, "ports": {f"p{number}" for number in range(count)}}},
        "Port": {f"p{number}": {"interfaces": {f"i{number}"}} for number in range(count)},
        "Interface": {f"i{number}": {"name": f"tap{number:05}", "external_ids": ids} for number in range(count)},
    }


def test_of_too_many_the_first_are_seen() -> None:
    sightings, complaints = parted(many(MOST_SIGHTINGS + 10, IDS))
    assert [each.port for each in sightings] == [f"tap{number:05}" for number in range(MOST_SIGHTINGS)]
    assert len(complaints) == 1
    sightings, complaints = parted(many(1000, {**IDS, "attached-mac": "x"}))
    assert len(sightings) == 1000 and len(complaints) <= MOST_COMPLAINTS


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["p1", "i1", DPID, ""])
GARBAGE = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(sorted(IDS)), inner, max_size=4)
        | st.sets(st.text() | st.sampled_from(["p1", "p2", "i1"]), max_size=4)
    ),
    max_leaves=20,
)
UUIDS = st.sampled_from(["b1", "p1", "p2", "i1", "i2"])
COLUMN = st.sampled_from(["datapath_id", "ports", "interfaces", "name", "ofport", "external_ids"])
GARBAGE_ROWS = st.dictionaries(
    st.sampled_from(["Bridge", "Port", "Interface", "Manager"]),
    st.dictionaries(UUIDS, st.dictionaries(COLUMN, GARBAGE, max_size=4), max_size=4),
)


def check_sane(found: Iterable[Sighting | Complaint | None]) -> None:
    places = set()
    for each in found:
        if isinstance(each, Sighting):
            assert each.place not in places
            places.add(each.place)
            assert any(said is not None for said in (each.iface_id, each.mac, each.vm_id))
            assert each.ofport is None or 1 <= each.ofport <= 0xFFFE
            assert each.mac is None or (0 < each.mac < 1 << 48 and not each.mac >> 40 & 1)
            for text in (each.port, each.iface_id, each.vm_id):
                assert text is None or (1 <= len(text) <= LONGEST and text.isprintable())
        elif each is not None:
            assert len(each.value) <= SHOWN and str(each).isprintable()


@given(GARBAGE_ROWS, GARBAGE, GARBAGE, GARBAGE)
def test_no_row_is_too_strange(strange: dict[str, Any], name: Any, ofport: Any, ids: Any) -> None:
    check_sane(read(strange))
    check_sane(read(rows(name=name, ofport=ofport, external_ids=ids)))


# The copy of a database

BRIDGE, PORT, INTERFACE = (f"{number:08}-0000-4000-8000-000000000000" for number in (1, 2, 3))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ATOM = st.sampled_from(["web", "x" * 300, DPID, 1, -1, 2**63, 1.5, None, "02:00:00:00:00:01"])
UUID = st.sampled_from([BRIDGE, PORT, INTERFACE, f"{9:036}"])
REFERENCE = st.tuples(st.just("uuid"), UUID).map(list)
SET = REFERENCE | st.tuples(st.just("set"), st.lists(REFERENCE | ATOM, max_size=3)).map(list)
MAP = st.tuples(
    st.just("map"), st.lists(st.tuples(st.sampled_from(sorted(IDS)), ATOM).map(list) | JSON, max_size=3)
).map(list)
CHANGE = st.dictionaries(
    st.sampled_from(["initial", "insert", "modify", "delete"]),
    st.dictionaries(COLUMN, SET | MAP | ATOM | JSON, max_size=6) | JSON,
    min_size=1,
    max_size=1,
)
UPDATES = st.dictionaries(st.sampled_from(sorted(COLUMNS)), st.dictionaries(UUID, CHANGE | JSON, max_size=4)) | JSON


@given(st.lists(UPDATES, max_size=8))
@example([{"Bridge": {"00000000-0000-0000-0000-000000000001": {"initial": None}}}])
def test_no_update_is_too_strange(updates: list[Any]) -> None:
    replica = Replica()
    for update in updates:
        try:
            for _ in replica.apply(update):
                pass
        except Unreachable:
            return
        check_sane(read(replica.rows))


def test_a_copy_follows_differences() -> None:
    def seen(update: Any) -> list[Sighting]:
        for _ in replica.apply(update):
            pass
        return parted(replica.rows)[0]

    replica = Replica()
    pairs = [[key, value] for key, value in IDS.items()]
    first = {"name": "tap1", "ofport": 1, "external_ids": ["map", pairs]}
    start = {
        "Bridge": {BRIDGE: {"initial": {"datapath_id": DPID, "ports": ["uuid", PORT]}}},
        "Port": {PORT: {"initial": {"interfaces": ["uuid", INTERFACE]}}},
        "Interface": {INTERFACE: {"initial": first}},
    }
    assert seen(start) == [SEEN]

    other_name = [["iface-id", "web-2"], ["vm-id", "vm-1"], ["vm-uuid", "vm-2"]]
    change = {"ofport": 2, "external_ids": ["map", other_name]}
    changed = Sighting(0xAA, "tap1", 2, "web-2", 0x020000000001, "vm-2")
    assert seen({"Interface": {INTERFACE: {"modify": change}}}) == [changed]

    long = {"external_ids": ["map", [["iface-id", "x" * 300]]]}
    assert seen({"Interface": {INTERFACE: {"modify": long}}})[0].iface_id is None
    other = {"external_ids": ["map", [["iface-id", "x" * 300 + "y"]]]}
    assert seen({"Interface": {INTERFACE: {"modify": other}}})[0].iface_id is None
    assert len(parted(replica.rows)[1]) == 1
    assert seen({"Interface": {INTERFACE: {"modify": other}}})[0].iface_id is None
    assert parted(replica.rows)[1] == []

    second = f"{4:036}"
    more = {"Bridge": {BRIDGE: {"modify": {"ports": ["set", [["uuid", PORT], ["uuid", second]]]}}}}
    assert seen({**more, "Port": {second: {"insert": {"interfaces": ["uuid", INTERFACE]}}}})[0].place == (0xAA, "tap1")
    assert seen({"Interface": {INTERFACE: {"delete": None}}}) == []


def test_a_copy_is_bounded() -> None:
    def fill() -> None:
        replica = Replica()
        for batch in range(MOST_HELD):
            for _ in replica.apply({"Interface": {f"{batch * 100 + n:036}": {"insert": {}} for n in range(100)}}):
                assert sum(map(len, replica.rows.values())) <= MOST_HELD

    with pytest.raises(Unreachable, match=f"more than {MOST_HELD}"):
        fill()


# Messages out of a stream


@given(st.lists(st.dictionaries(st.text(), JSON) | st.lists(JSON), max_size=4), st.data())
def test_messages_come_out_as_they_went_in_however_they_are_cut(messages: list[Any], data: st.DataObject) -> None:
    space = data.draw(st.sampled_from(["", " ", "\n\t"]))
    is_ascii = data.draw(st.booleans())
    text = space.join(json.dumps(message, ensure_ascii=is_ascii) for message in messages)
    sent = text.encode("utf-8", "surrogatepass" if is_ascii else "replace")
    if not is_ascii:
        messages = [json.loads(json.dumps(m, ensure_ascii=False).encode("utf-8", "replace")) for m in messages]
    stream, found = JsonStream(), []
    while sent:
        size = data.draw(st.integers(1, max(1, len(sent))))
        found += stream.feed(sent[:size])
        sent = sent[size:]
    assert found == messages
    assert stream.is_between


@given(st.lists(st.binary(max_size=200) | st.text(alphabet='{}[]",:01eE.- \\untrfals').map(str.encode), max_size=20))
def test_no_bytes_are_too_strange(pieces: list[bytes]) -> None:
    stream = JsonStream()
    try:
        for piece in pieces:
            for message in stream.feed(piece):
                assert isinstance(message, (dict, list))
    except Unreachable:
        pass


@pytest.mark.parametrize("piece", ['"x":1,', '"x":[', "[", "{", '"', "1", " ", '"\\u0000', "\u00e9"])
def test_no_message_goes_on_for_ever(piece: str) -> None:
    def feed() -> None:
        stream = JsonStream()
        start, size = '{"a":', 0
        assert not list(stream.feed((start + ("{" if piece.startswith('"x') else "[")).encode()))
        while size <= 2 * MOST_CHARACTERS:
            assert not list(stream.feed((piece * 1000).encode()))
            size += 1000 * len(piece)

    with pytest.raises(Unreachable):
        feed()
