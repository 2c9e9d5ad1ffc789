"""LLDP frames: as others read ours and we read theirs, and what nobody can make us believe."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openflow_oracle import FRAMEWORK
from scapy.contrib.lldp import (
    LLDPDU,
    LLDPDUChassisID,
    LLDPDUEndOfLLDPDU,
    LLDPDUGenericOrganisationSpecific,
    LLDPDUPortID,
    LLDPDUTimeToLive,
)
from scapy.layers.l2 import Ether

from ryu_vnet.fabric import lldp
from ryu_vnet.fabric.lldp import Announcement, Stranger

theirs_lldp: Any = import_module(f"{FRAMEWORK}.lib.packet.lldp")
Packet: Any = import_module(f"{FRAMEWORK}.lib.packet.packet").Packet

KEY, SOURCE = b"k" * 32, 0x02_76_6E_00_00_07
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=15)
ANNOUNCEMENTS = st.builds(Announcement, st.integers(1, 2**64 - 1), NAMES)
OURS = lldp.write(KEY, Announcement(0xA, "eth7"), SOURCE, 180)


@given(ANNOUNCEMENTS, st.integers(1, 0xFFFF))
def test_what_we_write_is_read_by_us_and_by_others(said: Announcement, ttl: int) -> None:
    frame = lldp.write(KEY, said, SOURCE, ttl)
    assert lldp.read(KEY, frame) == said and len(frame) <= lldp.LONGEST
    assert lldp.read(KEY, frame + bytes(46)) == said

    ether, theirs = Packet(frame).protocols[:2]
    assert (ether.dst, ether.src, ether.ethertype) == ("01:80:c2:00:00:0e", "02:76:6e:00:00:07", 0x88CC)
    chassis, port, holds, seal, end = theirs.tlvs
    assert (chassis.subtype, chassis.chassis_id) == (theirs_lldp.ChassisID.SUB_LOCALLY_ASSIGNED, b"%016x" % said.dpid)
    assert (port.subtype, port.port_id) == (theirs_lldp.PortID.SUB_INTERFACE_NAME, said.port.encode())
    assert (holds.ttl, seal.oui, seal.subtype) == (ttl, b"\x02\x76\x6e", 1) and isinstance(end, theirs_lldp.End)
    assert len(seal.info) == 16

    layers = Ether(frame)
    assert layers[LLDPDUTimeToLive].ttl == ttl and layers[LLDPDUGenericOrganisationSpecific].org_code == 0x02766E
    assert layers.haslayer(LLDPDUEndOfLLDPDU) and layers[LLDPDUPortID].id == said.port.encode()


@given(ANNOUNCEMENTS, ANNOUNCEMENTS, st.binary(min_size=1, max_size=64))
def test_nobody_passes_for_us(said: Announcement, other: Announcement, key: bytes) -> None:
    """Neither with a key of his own, nor with our seal on something else."""
    assert key == KEY or lldp.read(KEY, lldp.write(key, said, SOURCE, 1)) is None
    moved = lldp.write(KEY, other, SOURCE, 1)[:-18] + lldp.write(KEY, said, SOURCE, 1)[-18:]
    assert lldp.read(KEY, moved) == (other if other == said else None)


@given(st.integers(14, len(OURS) - 1), st.integers(1, 255))
def test_a_changed_byte_makes_no_other_announcement(at: int, flip: int) -> None:
    changed = bytes([byte ^ (flip if place == at else 0) for place, byte in enumerate(OURS)])
    read = lldp.read(KEY, changed)
    assert not isinstance(read, Announcement) or read == lldp.read(KEY, OURS)


@pytest.mark.parametrize("length", range(len(OURS) - 2))
def test_what_is_cut_off_says_nothing_of_ours(length: int) -> None:
    assert not isinstance(lldp.read(KEY, OURS[:length]), Announcement)


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda body: OURS[:14] + body)))
def test_anything_may_come(frame: bytes) -> None:
    read = lldp.read(KEY, frame)
    assert read is None or (isinstance(read, Stranger) and len(str(read)) < 200 and str(read).isprintable())


def theirs(chassis: LLDPDU, port: LLDPDU, ttl: int = 120) -> bytes:
    frame = Ether(dst="01:80:c2:00:00:0e", src="00:11:22:33:44:55", type=0x88CC)
    return bytes(frame / chassis / port / LLDPDUTimeToLive(ttl=ttl) / LLDPDUEndOfLLDPDU())


def test_other_equipment_is_named_as_it_names_itself() -> None:
    mac, name = LLDPDUChassisID(subtype=4, id="00:11:22:33:44:55"), LLDPDUPortID(subtype=5, id=b"Gi1/0/1")
    assert lldp.read(KEY, theirs(mac, name)) == Stranger("00:11:22:33:44:55", "Gi1/0/1", 120)
    tor, number = LLDPDUChassisID(subtype=7, id=b"tor-7"), LLDPDUPortID(subtype=3, id="00:11:22:33:44:56")
    assert str(lldp.read(KEY, theirs(tor, number))) == "tor-7 port 00:11:22:33:44:56"
    hidden = LLDPDUChassisID(subtype=7, id=b"\x1b[2J")
    assert str(lldp.read(KEY, theirs(hidden, name))) == "1b5b324a port Gi1/0/1"
    assert lldp.read(KEY, theirs(mac, name, ttl=0)) is None
