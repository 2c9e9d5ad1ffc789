"""What the controller answers itself, as real clients see it: a scenario a test, each in a sandbox of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import service_scenarios as scenarios


def in_sandbox(scenario: Callable[[], Any]) -> Any:
    """Run a scenario; its result. What it printed is shown where it failed."""
    command = [sys.executable, str(Path(scenarios.__file__)), scenario.__name__]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads(done.stdout.rpartition(scenarios.RESULT)[2])


def test_routers_tell_what_they_cannot_forward() -> None:
    found = in_sandbox(scenarios.errors)
    assert found == {
        "IPv4, at first": ["64 bytes from 198.51.100.1:"],
        "IPv4, one hop": ["From 10.0.0.1 Time to live exceeded"],
        "IPv4, two hops": ["64 bytes from 198.51.100.1:"],
        "IPv4, too large": ["From 10.0.0.1 Frag needed and DF set (mtu = 1400)"],
        "IPv6, at first": ["64 bytes from 2001:db8:feed::1:"],
        "IPv6, one hop": ["From fd00:1::1 Time exceeded: Hop limit"],
        "IPv6, two hops": ["64 bytes from 2001:db8:feed::1:"],
        "IPv6, too large": ["From fd00:1::1 Packet too big: mtu=1400"],
        "blue, one hop": ["From 10.0.0.1 Time to live exceeded"],
        "uploaded": [scenarios.UPLOAD, scenarios.UPLOAD],
        "larger ones may be taken apart": [
            "1458 bytes from 198.51.100.1:",
            "From 10.0.0.1 Frag needed and DF set (mtu = 1400)",
        ],
        "counted": [True, True, False],
    }


def test_gateways_tell_the_outside_what_is_too_large_for_nodes() -> None:
    assert in_sandbox(scenarios.errors_outside) == {
        "small": ["64 bytes from 203.0.113.50:"],
        "too large": ["From 203.0.113.2 Frag needed and DF set (mtu = 1400)"],
        "too large, IPv6": ["From 2001:db8:ff::2 Packet too big: mtu=1400"],
    }


def test_machines_learn_their_addresses() -> None:
    found = in_sandbox(scenarios.addresses)
    (router,) = found.pop("way by router")
    assert router.startswith("fe80::76:6fff:fe")
    assert found == {
        "announced": ["fd00:7::ff:fe00:702/64"],
        "asked routers": [["fd00:7::ff:fe00:701/64"], True],
        "reaches outside, IPv6": ["64 bytes from 2001:db8:feed::1:"],
        "udhcpc": {
            "ip": "192.168.7.2",
            "mask": "24",
            "router": "192.168.7.1",
            "dns": "9.9.9.9 149.112.112.112",
            "mtu": "1500",
            "lease": "86400",
            "serverid": "192.168.7.1",
        },
        "asked again": 1,
        "reaches outside": ["64 bytes from 198.51.100.1:"],
        "dhclient -4": {
            "new_ip_address": "192.168.7.2",
            "new_subnet_mask": "255.255.255.0",
            "new_routers": "192.168.7.1",
            "new_domain_name_servers": "9.9.9.9 149.112.112.112",
            "new_interface_mtu": "1500",
        },
        "dhclient -6": {
            "new_ip6_address": "fd00:7::ff:fe00:701",
            "new_dhcp6_name_servers": "fd00:7::53",
            "new_max_life": "86400",
        },
        "of all errors": 0,
    }
