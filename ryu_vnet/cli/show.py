"""Answers of the controller as tables for people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

Json = dict[str, Any]

COLOURS = {
    "in step": "green",
    "installed": "green",
    "put right": "green",
    "changing": "yellow",
    "reading": "yellow",
    "pending": "yellow",
    "not put right": "red",
    "away": "red",
    "refused": "red",
    "rejected": "red",
    "down": "red",
    "connected": "green",
    "running": "green",
    "moving": "yellow",
    "waiting": "yellow",
    "unknown": "yellow",
    "failed": "red",
}


def coloured(word: str) -> str:
    """A state with its colour."""
    colour = COLOURS.get(word)
    return f"[{colour}]{word}[/]" if colour else word


def table(console: Console, columns: list[str], rows: list[list[Any]], title: str | None = None) -> None:
    """A plain table; columns whose name starts with `#` hold numbers. Says so where there is no row."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    if not rows:
        console.print(f"{title}: none" if title else "none", markup=False)
        return
    grid = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        right = column.startswith("#")
        grid.add_column(column.removeprefix("#"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*("-" if cell in (None, "") else str(cell) for cell in row))
    console.print(grid)


def tenants(console: Console, found: list[Json]) -> None:
    """Tenants and how much they have."""
    rows = [[part["name"], part["network_count"], part["node_count"]] for part in found]
    table(console, ["tenant", "#networks", "#nodes"], rows)


def networks(console: Console, found: list[Json]) -> None:
    """Networks with their identifiers."""
    rows = [
        [
            f"{part['tenant']}/{part['name']}",
            part["label"],
            _tags(part),
            ", ".join(part["segments"]),
            # Where there are more than are listed here: counted by node.
            len(part["members"]) if part["members_next"] is None else part["member_nodes"],
            "yes" if part["tagged"] else "no",
            "; ".join(part["traffic"]) or "all",
        ]
        for part in found
    ]
    table(console, ["network", "#label", "tags", "segments", "#members", "tagged", "traffic"], rows)


def _tags(part: Json) -> str:
    return ", ".join(f"{segment}: {tag}" for segment, tag in sorted(part["tags"].items()))


def network(console: Console, found: Json) -> None:
    """One network and its members."""
    networks(console, [found])
    rows = [
        [part["node"], part["interface"], part["at"], "running" if part["running"] else "stopped"]
        for part in found["members"]
    ]
    table(console, ["member", "interface", "at", "state"], rows, "members")
    rows = [
        [one["prefix"], one["gateway"], ", ".join(one["dns"]), "yes" if one["dhcp"] else "no"]
        for one in found["subnets"]
    ]
    if rows:
        table(console, ["subnet", "router", "DNS", "DHCP"], rows, "subnets")
    way_out = found["exit"]
    if way_out is not None:
        rows = [[way_out[name] for name in ("outside", "gateway", "address", "ports", "prefix", "zone", "router_mac")]]
        rows[0].insert(2, "up" if way_out["up"] else coloured("down"))
        columns = ["outside", "gateway", "state", "IPv4 becomes", "ports", "IPv6 becomes", "#zone", "router's MAC"]
        table(console, columns, rows, "way out")
    if found["routers"]:
        partners = ", ".join(found["partners"]) or "nobody yet: the other tenant has not asked for it"
        console.print(f"routed by {', '.join(found['routers'])} with {partners}", markup=False)
    if found["reserve"]:
        console.print(f"keeps a tag in {', '.join(found['reserve'])}, whoever is there", markup=False)
    if found["made_by"]:
        line = f"made by the template {found['made_by']!r} of a policy; it goes with its last member"
        console.print(line, markup=False)


def nodes(console: Console, found: list[Json]) -> None:
    """Nodes, one line an interface."""
    rows = []
    for part in found:
        ref, state = f"{part['tenant']}/{part['name']}", coloured(_life(part))
        for name, interface in sorted(part["interfaces"].items()) or [("", {})]:
            ips = ", ".join([*interface.get("ips", []), *(f"{one} (given)" for one in interface.get("leases", []))])
            by_policy = [f"{network} (policy)" for network in part["policy_networks"].get(name, ())]
            networks = ", ".join([*interface.get("networks", []), *by_policy])
            rows.append([ref, state, name, interface.get("mac"), ips, interface.get("at"), networks])
    table(console, ["node", "state", "interface", "MAC", "IP", "at", "networks"], rows)


def _life(node: Json) -> str:
    """Whether a node runs, and if not, why not or how far it is."""
    word = "running" if node["running"] else "failed" if node["failed"] else "stopped"
    if not node["prepared"]:
        return word
    return "prepared" if word == "stopped" else f"{word}, prepared"


def refused_hosts(console: Console, found: Json) -> None:
    """The hosts that could not be chosen for a node."""
    more = found["refused_count"] - len(found["refused"])
    for host, reason in sorted(found["refused"].items()):
        console.print(f"  not {host}: {reason}", markup=False)
    if more:
        console.print(f"  and {more} more", markup=False)


def fabric(console: Console, found: Json, switches: list[Json]) -> None:
    """Segments, switches and links, with their state."""
    rows = [
        [part["name"], ", ".join(part["switches"]), ", ".join(part["edges"]), part["edge_in_charge"]]
        for part in found["segments"]
    ]
    table(console, ["segment", "switches", "edges", "edge in charge"], rows, "segments")
    declared, taken = found["declared"]["switches"], found["taken"]
    rows = [
        [
            part["name"],
            part["dpid"],
            part["segment"],
            coloured(part["state"]),
            declared.get(part["name"], {}).get("capacity"),
            taken.get(part["name"], 0),
        ]
        for part in switches
    ]
    table(console, ["switch", "dpid", "segment", "state", "#capacity", "#taken"], rows, "switches")
    rows = [
        [part["kind"], part["a"], part["b"], "up" if part["up"] else coloured("down"), part["why"]]
        for part in found["links"]
    ]
    table(console, ["kind", "a", "b", "state", "why"], rows, "links")
    rows = [
        [f"{name}:{port}", learn["tenant"], learn["most"]]
        for name, switch in sorted(declared.items())
        for port, learn in sorted(switch.get("learn", {}).items())
    ]
    if rows:
        table(console, ["machines learned on", "tenant", "#addresses at most"], rows)
    if found["outside"]:
        from .outside import gateways, outsides

        outsides(console, found["outside"], "outside networks")
        gateways(console, found["gateways"], "gateways")
    if found["differences"]:
        rows = [
            [_moment(part["since"]) if part["since"] else None, part["kind"], part["text"]]
            for part in found["differences"]
        ]
        table(console, ["since", "kind", "what"], rows, "not as declared")
    console.print(f"MTU of the nodes: {found['declared']['mtu']}", markup=False)


def status(console: Console, found: Json) -> None:
    """How everything stands: what is wrong first said in the table, then in full."""
    state = "[green]realised on every switch[/]" if found["realised"] else "[yellow]not realised everywhere[/]"
    console.print(f"revision {found['revision']}, {state}; controller under {found['framework']}")
    counts = f"{found['tenants']} tenants, {found['networks']} networks, {found['nodes']} nodes"
    console.print(f"{counts}, of which {found['running']} run", markup=False)
    rows = [
        [part["name"], part["segment"], coloured(part["state"]), part["rows"], part["groups"], part["to_send"],
         _settings(part["settings"])]
        for part in found["switches"]
    ]  # fmt: skip
    table(console, ["switch", "segment", "state", "#rows", "#groups", "#to send", "settings"], rows)
    for line in _troubles(found):
        console.print(line, markup=False)
    for part in found["gateways"]:
        if part["why"]:
            line = f"gateway {part['name']} ({part['network_count']} networks go out by it): {part['why']}"
            console.print(f"[red]{line}[/]")
    drift = found["drift"]
    if drift["lately"]:
        state = f"[red]{drift['not_put_right']} not put right[/]" if drift["not_put_right"] else "all put right"
        lately = f"[yellow]{drift['lately']} time(s) in the last hour others changed a row or group[/]"
        console.print(f"{lately}, {state}; `vnet drift` says more")
    differing = sum(found["differences"].values())
    if differing:
        line = f"[yellow]{differing} time(s) a cable is not as declared, by what link ports hear[/]"
        console.print(f"{line}; `vnet fabric` says more")
    for part in found["resting"]:
        where = f" of segment {part['segment']}" if part["segment"] else ""
        held = f"; held by {', '.join(part['held_by'])}" if part["held_by"] else ""
        console.print(f"{part['kind']} {part['identifier']}{where} rests{held}", markup=False)
    for part in found["strangers"]:
        line = f"a switch with dpid {part['dpid']} connects from {part['address']} and is not in the fabric"
        console.print(line, markup=False)


def _settings(settings: Json) -> str:
    if settings["unknown"]:
        return "not checked"
    if settings["refusals"]:
        return "[red]refused[/]"
    return f"[yellow]{len(settings['warnings'])} warning(s)[/]" if settings["warnings"] else "[green]right[/]"


def _troubles(found: Json) -> list[str]:
    lines = [f"{part['switch']}: {part['why']}" for part in found["pending"]]
    for switch in found["switches"]:
        name, settings = switch["name"], switch["settings"]
        if switch["state"] != "away" and settings["unknown"]:
            lines.append(f"{name}: settings {settings['unknown']}")
        lines += [f"{name}: {text}" for text in (*settings["refusals"], *settings["warnings"])]
        lines += [f"{name}: refused {part['what']} ({part['origin']}): {part['reason']}" for part in switch["rejected"]]
        lines += [
            f"{name}: port {part['port']} is {part['trouble']}, for {part['needed_by']}" for part in switch["ports"]
        ]
    return lines


def drift(console: Console, found: list[Json]) -> None:
    """What others changed on switches."""
    rows = [
        [_moment(part["since"]), part["switch"], part["what"], part["by"], _repair(part), _drifted(part)]
        for part in found
    ]
    table(console, ["since", "switch", "what", "by", "state", "row or group"], rows)


def discovery(console: Console, found: Json) -> None:
    """What databases say of machines; their texts are shown as they are."""
    from rich.markup import escape

    if not found["followed"]:
        console.print("databases are not followed: VNET_DISCOVERY is off", markup=False)
    rows = [
        [
            part["remote"],
            coloured("connected" if part["connected"] else "away"),
            f"{part['seconds']:.0f} s",
            escape(part["why"]),
        ]
        for part in found["databases"]
    ]
    table(console, ["database", "state", "for", "why"], rows, "databases")
    rows = [
        [
            escape(part["at"] or f"{part['dpid']} {part['port']}"),
            escape(part["iface_id"] or ""),
            part["mac"],
            f"{part['node']} {part['interface']}" if part["node"] else None,
            coloured(part["state"]),
            escape(part["why"]),
        ]
        for part in found["sightings"]
    ]
    table(console, ["at", "iface-id", "MAC", "node", "state", "why"], rows, "machines")


def _moment(text: str) -> str:
    """A moment on the clock of this place; with its date where that is not today's."""
    local = datetime.fromisoformat(text).astimezone()
    today = datetime.now().astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")


def _repair(part: Json) -> str:
    why = f" ({part['why']})" if part["why"] else ""
    return coloured("put right" if part["put_right"] else "not put right") + why


def _drifted(part: Json) -> str:
    from rich.markup import escape

    known = part["meaning"] or part["match"]
    instead = f"; found: {part['found']}" if part["found"] is not None else ""
    if part["what"] == "added" and part["match"]:
        known, instead = f"{part['match']}: {part['found']}", ""
    return escape(f"{part['place']}{': ' if known else ''}{known}{instead}")


def flows(console: Console, found: Json, *, long: bool) -> None:
    """The rows of a switch, table by table."""
    why = f": {found['why']}" if found["why"] else ""
    console.print(f"{found['switch']} is {coloured(found['state'])}{why}")
    counted = bool(found["counted"])
    columns = ["#prio", "meaning", "origin", "state", *(["#packets", "#bytes"] if counted else [])]
    columns += ["match", "actions"] if long else []
    stages = dict.fromkeys(row["stage"] for row in found["rows"])
    for stage in stages:
        rows = [_flow(row, counted, long) for row in found["rows"] if row["stage"] == stage]
        table(console, columns, rows, stage)
    if found["groups"]:
        rows = [[f"{part['number']:#x}", part["meaning"], part["origin"], _state(part)] for part in found["groups"]]
        table(console, ["#group", "meaning", "origin", "state"], rows, "GROUPS")


def _flow(row: Json, counted: bool, long: bool) -> list[Any]:
    cells = [row["priority"], row["meaning"], row["origin"], _state(row)]
    cells += [row["packets"], row["octets"]] if counted else []
    return cells + ([row["match"] or "anything", row["actions"]] if long else [])


def _state(part: Json) -> str:
    reason = f" ({part['reason']})" if part["state"] == "rejected" else ""
    return coloured(part["state"]) + reason


def trace(console: Console, found: Json, *, whole: bool = False) -> None:
    """The way of a frame, one block a hop; that of its answer in a line, or the same way where it is to be `whole`."""
    from rich.markup import escape

    _way(console, found)
    back = found["answer"]
    if back is not None and whole:
        console.print("\n[bold]and the answer[/]")
        _way(console, back)
    elif back is not None:
        ways = " > ".join(hop["switch"] for hop in back["hops"])
        verdict = escape(back["verdict"])
        colour = "green" if back["delivered"] else "red"
        console.print(f"the answer, by {ways or 'nowhere'}: [{colour}]{verdict}[/] ({escape(_last_frame(back))})")


def _last_frame(found: Json) -> str:
    """The frame as it arrived, or as it was sent where it did not."""
    arrivals = [arrival["frame"] for hop in found["hops"] for arrival in hop["arrivals"]]
    return str([found["frame"], *arrivals][-1])


def _way(console: Console, found: Json) -> None:
    from rich.markup import escape

    console.print(f"{found['source']} to {found['target']} ({found['kind']}): {found['frame']}", markup=False)
    for hop in found["hops"]:
        segment = f"segment {hop['segment']}" if hop["segment"] else "core"
        away = "" if hop["state"] == "in step" else f", {coloured(hop['state'])}: it may hold older rows"
        console.print(f"\n[bold]{hop['switch']}[/] ({segment}{away}), in by port {escape(hop['port'])}")
        for hit in hop["tables"]:
            name = f"{'  ' * hit['depth']}{hit['stage']}"
            console.print(f"  {name:<12} {escape(hit['meaning'])}")
        for link in hop["links"]:
            console.print(f"  [cyan]->[/] {link['kind']} {link['from_port']} to {link['to_port']}: {link['carries']}")
        for arrival in hop["arrivals"]:
            console.print(
                f"  [green]=>[/] out of {arrival['port']} to {arrival['to']}, plain: {escape(arrival['frame'])}"
            )
        told = [hit["meaning"] for hit in hop["tables"]]
        for drop in (drop for drop in hop["drops"] if not any(drop["reason"] in meaning for meaning in told)):
            console.print(f"  [red]x[/] {drop['stage']}: {escape(drop['reason'])}")
    colour = "green" if found["delivered"] else "red"
    console.print(f"\n[{colour}]{escape(found['verdict'])}[/]")
    for note in found["notes"]:
        console.print(f"note: {note}", markup=False)
