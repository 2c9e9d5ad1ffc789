"""Our bytes against those of Ryu's classes, wherever Ryu has the class, in both versions."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from legal_rows import random_group, random_row
from openflow_oracle import BUNDLE, RANDOMS, VERSIONS, XID, Oracle, known_to_ryu

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.rows import Clone, Group, Meter, MeterBand, Output, Resubmit, Row, SetField, cookie_of
from ryu_vnet.compiler.text import row_text
from ryu_vnet.errors import WireError
from ryu_vnet.openflow import messages
from ryu_vnet.openflow.changes import Kind, Step, bundle
from ryu_vnet.openflow.changes import message as message_of
from ryu_vnet.openflow.error_names import error_names
from ryu_vnet.openflow.meters import decode_meter, encode_meter
from ryu_vnet.openflow.rows import FOREIGN, decode_row, encode_group, encode_row, is_metered
from ryu_vnet.openflow.wire import BundleStep, Version


@VERSIONS
@given(random=RANDOMS)
def test_flow_mods(version: Version, random: Random) -> None:
    oracle = Oracle(version)
    row = known_to_ryu(random_row(random, groups=(1, 2)))
    key, value = encode_row(row)
    assert messages.flow_add(version, XID, key, value) == oracle.bytes_of(oracle.flow_mod(row)), row_text(row)
    deletion = oracle.flow_mod(row, command=oracle.ofp.OFPFC_DELETE_STRICT, cookie=0, instructions=[])
    assert messages.flow_delete(version, XID, key) == oracle.bytes_of(deletion)


@VERSIONS
@given(random=RANDOMS, meter=st.integers(1, 0xFFFF0000))
def test_rows_that_are_metered(version: Version, random: Random, meter: int) -> None:
    oracle = Oracle(version)
    row = known_to_ryu(random_row(random))
    metered = replace(row, actions=(Meter(meter), *row.actions))
    key, value = encode_row(metered)
    assert messages.flow_add(version, XID, key, value) == oracle.bytes_of(oracle.flow_mod(metered)), row_text(metered)
    assert decode_row(key, value) == (metered, cookie_of(row.origin))
    assert is_metered(value) and not is_metered(encode_row(row)[1])


@pytest.mark.parametrize("actions", [(Output(1), Meter(1)), (Meter(1), Meter(2)), (Clone((Meter(1),)),)])
def test_a_meter_stands_first_or_nowhere(actions: tuple[Output | Meter | Clone, ...]) -> None:
    with pytest.raises(WireError, match="it can be first only"):
        encode_row(Row(0, 1, (), actions, None, FOREIGN))
    with pytest.raises(WireError, match="it can be first only"):
        encode_group(Group(1, (actions,), FOREIGN))


@VERSIONS
@given(number=st.integers(1, 0xFFFF0000), rate=st.integers(0, 0xFFFFFFFF), burst=st.integers(0, 0xFFFFFFFF))
def test_meter_mods(version: Version, number: int, rate: int, burst: int) -> None:
    oracle = Oracle(version)
    parser, ofp, datapath = oracle.parser, oracle.ofp, oracle.datapath
    for counts_bits, unit in ((False, ofp.OFPMF_PKTPS), (True, ofp.OFPMF_KBPS)):
        flags, band = unit | ofp.OFPMF_BURST, [parser.OFPMeterBandDrop(rate, burst)]
        value = encode_meter(MeterBand(number, rate, burst, counts_bits))
        assert decode_meter(number, value) == MeterBand(number, rate, burst, counts_bits)
        add = parser.OFPMeterMod(datapath, ofp.OFPMC_ADD, flags, number, band)
        assert messages.meter_add(version, XID, number, value) == oracle.bytes_of(add)
        modify = parser.OFPMeterMod(datapath, ofp.OFPMC_MODIFY, flags, number, band)
        assert messages.meter_modify(version, XID, number, value) == oracle.bytes_of(modify)
    delete = parser.OFPMeterMod(datapath, ofp.OFPMC_DELETE, 0, number, [])
    assert messages.meter_delete(version, XID, number) == oracle.bytes_of(delete)


@VERSIONS
@given(random=RANDOMS)
def test_group_mods(version: Version, random: Random) -> None:
    oracle = Oracle(version)
    group = random_group(random, number=random.randrange(1, 1 << 24))
    value = encode_group(group)
    for command, ours in ((oracle.ofp.OFPGC_ADD, messages.group_add), (oracle.ofp.OFPGC_MODIFY, messages.group_modify)):
        assert ours(version, XID, group.number, value) == oracle.bytes_of(oracle.group_mod(command, group))
    deletion = oracle.group_mod(oracle.ofp.OFPGC_DELETE, Group(group.number, (), group.origin))
    assert messages.group_delete(version, XID, group.number) == oracle.bytes_of(deletion)


@VERSIONS
@given(random=RANDOMS, ports=st.lists(st.integers(1, 0xFEFF), min_size=1, max_size=4))
def test_groups_that_watch_ports(version: Version, random: Random, ports: list[int]) -> None:
    oracle = Oracle(version)
    buckets = tuple((Output(port),) for port in ports)
    group = Group(random.randrange(1, 1 << 24), buckets, FOREIGN, tuple(ports))
    ours = messages.group_add(version, XID, group.number, encode_group(group))
    assert ours == oracle.bytes_of(oracle.group_mod(oracle.ofp.OFPGC_ADD, group))


@VERSIONS
def test_emptying_a_switch(version: Version) -> None:
    oracle = Oracle(version)
    everything = Row(oracle.ofp.OFPTT_ALL, 0, (), (), None, FOREIGN)
    rows = oracle.flow_mod(everything, command=oracle.ofp.OFPFC_DELETE, cookie=0, instructions=[])
    assert messages.all_flows_delete(version, XID) == oracle.bytes_of(rows)
    groups = oracle.group_mod(oracle.ofp.OFPGC_DELETE, Group(oracle.ofp.OFPG_ALL, (), FOREIGN))
    assert messages.all_groups_delete(version, XID) == oracle.bytes_of(groups)
    meters = oracle.parser.OFPMeterMod(oracle.datapath, oracle.ofp.OFPMC_DELETE, 0, oracle.ofp.OFPM_ALL, [])
    assert messages.all_meters_delete(version, XID) == oracle.bytes_of(meters)


@VERSIONS
def test_requests(version: Version) -> None:
    oracle = Oracle(version)
    parser, ofp, datapath = oracle.parser, oracle.ofp, oracle.datapath
    flows = parser.OFPFlowStatsRequest(datapath, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0, parser.OFPMatch())
    assert messages.barrier(version, XID) == oracle.bytes_of(parser.OFPBarrierRequest(datapath))
    assert messages.all_flows(version, XID) == oracle.bytes_of(flows)
    assert messages.all_groups(version, XID) == oracle.bytes_of(parser.OFPGroupDescStatsRequest(datapath, 0))
    assert messages.all_ports(version, XID) == oracle.bytes_of(parser.OFPPortDescStatsRequest(datapath, 0))


@VERSIONS
@given(port=st.integers(1, 0xFFFFFF00), frame=st.binary(min_size=14, max_size=200))
def test_a_frame_to_be_sent(version: Version, port: int, frame: bytes) -> None:
    oracle = Oracle(version)
    ofp, actions = oracle.ofp, [oracle.parser.OFPActionOutput(port, 0)]
    theirs = oracle.parser.OFPPacketOut(oracle.datapath, ofp.OFP_NO_BUFFER, ofp.OFPP_CONTROLLER, actions, frame)
    assert messages.packet_out(version, XID, (Output(port),), frame) == oracle.bytes_of(theirs)


@VERSIONS
def test_a_frame_to_be_looked_up_in_a_table(version: Version) -> None:
    oracle, frame = Oracle(version), bytes(60)
    actions = (SetField(f.REG0, 0x12345), SetField(f.REG4, 1), Resubmit(70))
    theirs = oracle.parser.OFPPacketOut(
        oracle.datapath,
        oracle.ofp.OFP_NO_BUFFER,
        oracle.ofp.OFPP_CONTROLLER,
        [
            oracle.parser.OFPActionSetField(reg0=0x12345),
            oracle.parser.OFPActionSetField(reg4=1),
            oracle.parser.NXActionResubmitTable(table_id=70),
        ],
        frame,
    )
    assert messages.packet_out(version, XID, actions, frame) == oracle.bytes_of(theirs)


@VERSIONS
@given(random=RANDOMS)
def test_asking_for_one_row(version: Version, random: Random) -> None:
    oracle = Oracle(version)
    row = known_to_ryu(random_row(random))
    key, _ = encode_row(row)
    cookie = cookie_of(row.origin)
    for ours, filtered in (
        (messages.flow_exactly(version, XID, key), (0, 0)),
        (messages.flow_exactly(version, XID, key, cookie), (cookie, (1 << 64) - 1)),
    ):
        anything = oracle.ofp.OFPP_ANY, oracle.ofp.OFPG_ANY
        theirs = oracle.parser.OFPFlowStatsRequest(
            oracle.datapath, 0, row.table, *anything, *filtered, oracle.match(row)
        )
        assert ours == oracle.bytes_of(theirs)


def test_asking_for_a_flow_monitor() -> None:
    """In 1.4 alone: Ryu reads the ONF's extension for 1.3 differently from Open vSwitch, which does not accept its
    form of a match."""
    oracle = Oracle(Version.OF14)
    ofp = oracle.ofp
    flags = ofp.OFPFMF_ADD | ofp.OFPFMF_REMOVED | ofp.OFPFMF_MODIFY | ofp.OFPFMF_INSTRUCTIONS
    theirs = oracle.parser.OFPFlowMonitorRequest(oracle.datapath, monitor_id=1, monitor_flags=flags)
    assert messages.flow_monitor(Version.OF14, XID) == oracle.bytes_of(theirs)


def test_what_is_told_unasked_in_of13() -> None:
    oracle = Oracle(Version.OF13)
    ofp = oracle.ofp
    ports = 1 << ofp.OFPPR_ADD | 1 << ofp.OFPPR_DELETE | 1 << ofp.OFPPR_MODIFY
    theirs = oracle.parser.OFPSetAsync(oracle.datapath, [1 << ofp.OFPR_ACTION, 0], [ports, ports], [0, 0])
    assert messages.set_async(Version.OF13, XID) == oracle.bytes_of(theirs)


def test_what_is_told_unasked_in_of14() -> None:
    oracle = Oracle(Version.OF14)
    ofp = oracle.ofp
    ports = 1 << ofp.OFPPR_ADD | 1 << ofp.OFPPR_DELETE | 1 << ofp.OFPPR_MODIFY
    groups = 1 << ofp.OFPRFR_GROUP_MOD | 1 << ofp.OFPRFR_METER_MOD
    masks = {"PORT_STATUS": ports, "FLOW_REMOVED": 0, "ROLE_STATUS": 0, "TABLE_STATUS": 0, "REQUESTFORWARD": groups}
    both = [(name, role, mask) for name, mask in masks.items() for role in ("SLAVE", "MASTER")]
    packets = [
        ("PACKET_IN", "SLAVE", 0),
        ("PACKET_IN", "MASTER", 1 << ofp.OFPR_APPLY_ACTION | 1 << ofp.OFPR_PACKET_OUT),
    ]
    properties = [
        oracle.parser.OFPAsyncConfigPropReasons(getattr(ofp, f"OFPACPT_{name}_{role}"), 8, mask)
        for name, role, mask in [*packets, *both]
    ]
    assert messages.set_async(Version.OF14, XID) == oracle.bytes_of(
        oracle.parser.OFPSetAsync(oracle.datapath, properties)
    )


@VERSIONS
@given(random=RANDOMS, count=st.integers(0, 5))
def test_a_bundle(version: Version, random: Random, count: int) -> None:
    oracle = Oracle(version)
    control, add = {
        Version.OF13: ("ONFBundleCtrlMsg", "ONFBundleAddMsg"),
        Version.OF14: ("OFPBundleCtrlMsg", "OFPBundleAddMsg"),
    }[version]

    def control_bytes(kind: BundleStep, xid: int) -> bytes:
        message = getattr(oracle.parser, control)(oracle.datapath, BUNDLE, kind, 3, [])
        return oracle.bytes_of(message, xid)

    group = random_group(random, number=5)
    rows = [known_to_ryu(random_row(random, groups=(5,))) for _ in range(count)]
    deletion = {"command": oracle.ofp.OFPFC_DELETE_STRICT, "cookie": 0, "instructions": []}
    inner = [
        oracle.group_mod(oracle.ofp.OFPGC_ADD, group),
        *(oracle.flow_mod(row) for row in rows),
        *(oracle.flow_mod(row, **deletion) for row in rows),
    ]
    wrapped = [
        oracle.bytes_of(getattr(oracle.parser, add)(oracle.datapath, BUNDLE, 3, message, []), XID + at)
        for at, message in enumerate(inner)
    ]
    opening, commit = control_bytes(BundleStep.OPEN_REQUEST, 8), control_bytes(BundleStep.COMMIT_REQUEST, 9)
    steps: list[Step] = [
        (Kind.GROUP_ADD, 5, encode_group(group)),
        *((Kind.ROW_ADD, *encode_row(row)) for row in rows),
        *((Kind.ROW_DELETE, encode_row(row)[0], b"") for row in rows),
    ]
    expected = b"".join([opening, *wrapped, commit])
    assert b"".join(bundle(version, BUNDLE, steps, XID, open_xid=8, commit_xid=9)) == expected
    ours = [message_of(version, XID + at, step) for at, step in enumerate(steps)]
    assert messages.in_bundle(version, BUNDLE, ours, open_xid=8, commit_xid=9) == expected
    discard = control_bytes(BundleStep.DISCARD_REQUEST, 10)
    assert messages.bundle_probe(version, BUNDLE, open_xid=8, discard_xid=10) == opening + discard


@VERSIONS
def test_names_of_errors(version: Version) -> None:
    ofp = Oracle(version).ofp
    kinds = {value: name for name, value in vars(ofp).items() if name.startswith("OFPET_")}
    codes_by_prefix: dict[str, dict[str, int]] = {}
    for name, value in vars(ofp).items():
        codes_by_prefix.setdefault(name.partition("_")[0], {})[name] = value
    checked = 0
    for kind in range(18 if version == Version.OF14 else 14):
        kind_name, first_code = error_names(kind, 0)
        assert kind_name == kinds[kind]
        for code_name, code in codes_by_prefix[first_code.partition("_")[0]].items():
            assert error_names(kind, code) == (kind_name, code_name)
            checked += 1
    assert checked > 90


def test_names_of_bundle_errors_in_of13() -> None:
    names = {name: value for name, value in vars(Oracle(Version.OF13).ofp).items() if name.startswith("ONFERR_ET_")}
    assert error_names(0xFFFF, names["ONFERR_ET_BUNDLE_IN_PROGRESS"], 0x4F4E4600)[1] == "OFPBFC_BUNDLE_IN_PROGRESS"
    assert error_names(0xFFFF, names["ONFERR_ET_BAD_ID"], 0x4F4E4600) == ("OFPET_BUNDLE_FAILED", "OFPBFC_BAD_ID")
    assert error_names(0xFFFF, 5, 0x2320) == ("OFPET_EXPERIMENTER", "error 5 of Open vSwitch")
    assert error_names(99, 5) == ("type 99", "code 5")
