"""What the database of a host says of the machines behind its ports: who appeared where.

Those who plug a virtual machine's interface into a bridge write who it is into `external_ids` of its row in table
Interface (Open vSwitch's guide "Integration", and ovs-vswitchd.conf.db(5)). Open vSwitch itself makes nothing of it.

    iface-id       the virtual interface, system-wide. All set it: libvirt, Xen, OpenStack
    attached-mac   the MAC address that the machine sees on it; the port on the host may have another
    vm-id          the machine, as libvirt and the guide call it; OpenStack says vm-uuid, Xen xs-vm-uuid
    iface-status   `active` or `inactive`: of several ports for one iface-id on a host, as Xen has them (tap and vif),
                   which one is in use; where it is not set there is one only. It says nothing of other hosts

Nothing that a database says is believed to have its type, its size or its sense: what is malformed is left out, and
complained of. That an identity is on several ports, or another's, is not malformed, and not for here to judge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

MOST_SIGHTINGS = 4096
"""Of one database. No segment has more tags, and no hypervisor runs nearly as many machines."""
MOST_COMPLAINTS = 100
"""Of one reading. Nobody reads more, and what is told must not grow with what is wrong."""
LONGEST = 255
"""Characters of a name or an identity: a UUID has 36."""
SHOWN = 60
"""Characters of a value that a complaint shows."""
MOST_PORT = 0xFEFF
"""The last number of an OpenFlow port that a database assigns; -1 says that there is none."""
LOCAL_PORT = 0xFFFE

_IDENTITIES = ("iface-id", "attached-mac", "vm-id", "vm-uuid", "xs-vm-uuid")
KEYS = frozenset({*_IDENTITIES, "iface-status"})
"""What is read of `external_ids`."""
_DPID = re.compile("[0-9a-fA-F]{16}")
_MAC = re.compile("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_GROUP_BIT = 1 << 40

Place = tuple[int, str]
"""Datapath identifier of a bridge and name of an OpenFlow port on it."""
Row = Mapping[str, object]
Rows = Mapping[str, Mapping[str, Row]]
"""By table, UUID and column. Sets are sets, maps are mappings, what is optional and not set is None; anything else may
be there as well."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An identity on a port. At least one of `iface_id`, `mac` and `vm_id` is known.

    `port` is the name of the interface, which is the port's name in OpenFlow (a bond is several of them). `ofport` is
    None until the switch has it, or where it could not. `is_active` is False where the host says that the port is not
    the one in use.
    """

    dpid: int
    port: str
    ofport: int | None
    iface_id: str | None
    mac: int | None
    vm_id: str | None
    is_active: bool = True

    @property
    def place(self) -> Place:
        """Where it is."""
        return self.dpid, self.port


@dataclass(frozen=True, slots=True)
class Complaint:
    """What was left out: of which row (and key), its value, shortened, and what is wrong with it."""

    where: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"{self.where} is {self.value}: {self.why}"


@dataclass(frozen=True, slots=True)
class Change:
    """What differs in a database since it was told last, by place: who came, who is there and says something else
    (the new), who went (the last known); and complaints that were not made before."""

    came: Mapping[Place, Sighting]
    changed: Mapping[Place, Sighting]
    went: Mapping[Place, Sighting]
    complaints: tuple[Complaint, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.came or self.changed or self.went or self.complaints)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Stands in rows for a value that does not fit its column's type: `text` is that value, shortened."""

    text: str


def shortened(value: object) -> str:
    """A value as a complaint shows it: printable, of at most SHOWN characters."""
    if isinstance(value, str):
        text = ascii(value[:SHOWN])
    elif isinstance(value, (bool, float, type(None))):
        text = repr(value)
    elif isinstance(value, int):
        # A number of thousands of digits takes long to write, or cannot be written at all.
        text = str(value) if abs(value) < 1 << 64 else f"a number of {value.bit_length()} bits"
    else:
        text = value.text if isinstance(value, Misfit) else f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def read(rows: Rows) -> Iterator[Sighting | Complaint | None]:
    """What is seen in these rows of Bridge (`datapath_id`, `ports`), Port (`interfaces`) and Interface (`name`,
    `ofport`, `external_ids`), by place, and what is wrong with them: at most MOST_SIGHTINGS, MOST_COMPLAINTS.

    No place is told twice. None comes now and then in between, so that who must not be busy for long may pause.
    The rows must not change meanwhile.
    """
    sightings = complaints = 0
    for found in _all(rows):
        if isinstance(found, Sighting):
            sightings += 1
            if sightings > MOST_SIGHTINGS:
                yield Complaint("the database", "larger", f"more than {MOST_SIGHTINGS} identities, the others left out")
                return
        elif found is not None:
            complaints += 1
            if complaints > MOST_COMPLAINTS - 2:
                if complaints == MOST_COMPLAINTS - 1:
                    yield Complaint(
                        "the database", "worse", f"more than {complaints - 1} complaints, the others untold"
                    )
                continue
        yield found


def _all(rows: Rows) -> Iterator[Sighting | Complaint | None]:
    placed: dict[Place, Row | None] = {}
    for found in _interfaces(rows):
        if isinstance(found, tuple):
            dpid, row = found
            place = dpid, str(row["name"])
            placed[place] = None if place in placed else row
            yield None
        else:
            yield found
    # In order, so that of too many it is always the same ones that are left out.
    for place in sorted(placed):
        certain = placed[place]
        if certain is None:
            yield Complaint("Interface name", shortened(place[1]), "several interfaces of one bridge have it")
        else:
            yield from _sighting(*place, certain)


def _interfaces(rows: Rows) -> Iterator[tuple[int, Row] | Complaint | None]:
    """Interfaces that say something of themselves and have a name, on bridges that are certain; None for others."""
    ports, interfaces = rows.get("Port", {}), rows.get("Interface", {})
    bridges: list[tuple[int, list[str]]] = []
    for uuid, row in rows.get("Bridge", {}).items():
        dpid = row.get("datapath_id")
        if isinstance(dpid, str) and _DPID.fullmatch(dpid):
            bridges.append((int(dpid, 16), _references(row.get("ports"))))
        else:
            yield Complaint(f"datapath_id of Bridge {uuid[:8]}", shortened(dpid), "must be 16 hexadecimal digits")
    claimed = Counter(dpid for dpid, _ in bridges)
    on_bridges = Counter(port for _, its in bridges for port in its)
    on_ports: Counter[str] = Counter()
    for port in on_bridges:
        on_ports.update(_references(ports.get(port, {}).get("interfaces")))
        yield None
    for dpid, its in bridges:
        if claimed[dpid] > 1:
            yield Complaint("datapath_id", f"{dpid:016x}", "several bridges of the host have it")
            continue
        for port in its:
            for uuid in _references(ports.get(port, {}).get("interfaces")):
                row = interfaces.get(uuid, {})
                if not _says_something(row.get("external_ids")):
                    yield None
                elif on_bridges[port] > 1 or on_ports[uuid] > 1:
                    yield Complaint("Interface", shortened(row.get("name")), "it is on several ports or bridges")
                elif problem := _wrong_text(row.get("name")):
                    yield Complaint(f"name of Interface {uuid[:8]}", shortened(row.get("name")), problem)
                else:
                    yield dpid, row


def _references(value: object) -> list[str]:
    return [reference for reference in value if isinstance(reference, str)] if isinstance(value, Set) else []


def _says_something(ids: object) -> bool:
    return not KEYS.isdisjoint(ids) if isinstance(ids, Mapping) else ids is not None


def _sighting(dpid: int, port: str, row: Row) -> Iterator[Sighting | Complaint]:
    where, ids = f"of {port}", row.get("external_ids")
    if not isinstance(ids, Mapping):
        yield Complaint(f"external_ids {where}", shortened(ids), "must be a map")
        return
    wrong = {key: problem for key in _IDENTITIES if key in ids and (problem := _wrong_identity(key, ids[key]))}
    status, ofport = ids.get("iface-status", "active"), row.get("ofport")
    if status not in ("active", "inactive"):
        wrong["iface-status"] = "must be active or inactive"
    for key, problem in wrong.items():
        yield Complaint(f"external_ids:{key} {where}", shortened(ids[key]), problem)
    if not _is_port(ofport) and ofport not in (None, -1):
        yield Complaint(f"ofport {where}", shortened(ofport), f"must be 1 to {MOST_PORT}, or -1 for none")
    said = {key: str(ids[key]) for key in _IDENTITIES if key in ids and key not in wrong}
    if said:
        yield Sighting(
            dpid,
            port,
            ofport if isinstance(ofport, int) and _is_port(ofport) else None,
            said.get("iface-id"),
            int(said["attached-mac"].replace(":", ""), 16) if "attached-mac" in said else None,
            next((said[key] for key in ("vm-id", "vm-uuid", "xs-vm-uuid") if key in said), None),
            # What is not understood is not taken for in use.
            is_active=status == "active",
        )


def _is_port(number: object) -> bool:
    return type(number) is int and (1 <= number <= MOST_PORT or number == LOCAL_PORT)


def _wrong_identity(key: str, value: object) -> str | None:
    if key != "attached-mac":
        return _wrong_text(value)
    if not isinstance(value, str) or not _MAC.fullmatch(value):
        return "must be six bytes in hexadecimal, with colons"
    address = int(value.replace(":", ""), 16)
    if address & _GROUP_BIT:
        return "a group address is nobody's own"
    return None if address else "all zero is nobody's address"


def _wrong_text(value: object) -> str | None:
    """What is wrong with a name or an identity."""
    if not isinstance(value, str):
        return "must be a text"
    if not 1 <= len(value) <= LONGEST:
        return f"must have 1 to {LONGEST} characters"
    # U+FFFD stands for bytes that were not UTF-8.
    return None if value.isprintable() and "\ufffd" not in value else "must be printable, and UTF-8"
