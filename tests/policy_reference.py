"""Who is to be in which network, said once more and as plainly as can be; and policies of any shape to try it with."""

from __future__ import annotations

import random
import re
from fnmatch import fnmatchcase

from ryu_vnet.managers.system import System
from ryu_vnet.model.names import format_mac
from ryu_vnet.model.values import Interface, Node
from ryu_vnet.policy_schema import MatchSpec, PolicySpec

UNITS = (None, "dev", "dev", "ops", "no name")
FUNCTIONS = (None, "web", "web", "db")
TEMPLATES = ("u-{unit}", "f-{function}-{unit}", "at-{segment}", "on-{host}", "t.{tenant}.{function}")


def networks_of(system: System, node: Node, interface: Interface) -> set[str]:
    """The networks that an interface is to be in: those that it was asked to be in, and those that policies give."""
    place = interface.place
    texts = {name: getattr(node, name) for name in ("tenant", "unit", "function")}
    texts |= {"node": node.name, "interface": interface.name}
    texts |= {"host": place and place.switch, "port": place and place.port}
    texts["segment"] = place and system.fabric.switches[place.switch].segment
    found = {*interface.asked}
    for policy in sorted(system.model.policies(), key=lambda policy: policy.order):
        match = policy.match
        wanted = {name: getattr(match, name) for name in texts if getattr(match, name) is not None}
        holds = all(texts[name] is not None and fnmatchcase(texts[name], text) for name, text in wanted.items())
        holds &= match.mac is None or (
            interface.known_mac is not None and format_mac(interface.mac).startswith(match.mac)
        )
        holds &= match.network is None or any(fnmatchcase(name, match.network) for name in found)
        if holds:
            found |= {*policy.networks}
            filled = [re.sub(r"{(\w+)}", lambda part: texts[part[1]] or "/", text) for text in policy.templates]
            found |= {name for name in filled if re.fullmatch("[A-Za-z0-9._-]+", name)}
        if holds and policy.final:
            break
    return found


def check_policies(system: System) -> None:
    """Everybody is where he is to be, and what templates make is there if and only if somebody is in it."""
    model = system.model
    templates = {template for policy in model.policies() for template in policy.templates}
    for node in model.nodes():
        for interface in node.interfaces:
            assert {*interface.networks} == networks_of(system, node, interface), (node, interface)
            assert interface.networks == tuple(sorted({*interface.asked} | {*interface.by_policy}))
            assert interface.by_policy == tuple(sorted({*interface.networks} - {*interface.asked}))
            there = {name: model.network(f"{node.tenant}/{name}") for name in interface.networks}
            assert None not in there.values()
            assert not any(network and network.made_by for name, network in there.items() if name in interface.asked)
    for network in model.networks():
        if network.made_by is not None:
            assert model.members(network.ref) and network.made_by in templates


def some_policy(chance: random.Random) -> PolicySpec:
    """Any policy, of which many are refused: their networks are not there, or they are in each other's way."""
    fields = {
        "tenant": ["red", "blue", "*"],
        "unit": ["dev", "*"],
        "function": ["web", "?b"],
        "node": ["vm[0-3]", "vm1", "*"],
        "interface": ["eth0"],
        "segment": ["seg0", "seg[!0]*"],
        "host": ["s00", "s1*"],
        "port": ["v?", "w*"],
        "network": ["net0", "net*", "u-*", "at-*"],
        "mac": ["02:00", "f2"],
    }
    networks, templates = chance.choice([(0, 1), (1, 0), (1, 1), (0, 2), (2, 0)])
    chosen = chance.sample(sorted(fields), chance.choice([0, 1, 1, 1, 2]))
    return PolicySpec(
        order=chance.choice([None, None, chance.randrange(100)]),
        match=MatchSpec.model_validate({name: chance.choice(fields[name]) for name in chosen}),
        networks=chance.sample(["net0", "net1", "net2"], networks),
        templates=chance.sample(TEMPLATES, templates),
        final=chance.random() < 0.1,
    )
