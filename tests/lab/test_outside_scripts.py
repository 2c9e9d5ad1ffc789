"""The scripts of mininet/ that show what is beyond the data centre, run as people run them."""

from __future__ import annotations

import re

from test_scripts import script
from vnet_lab.running import framework, frameworks


def test_the_internet_is_reached_and_reaches_whom_it_may() -> None:
    shown = script("internet")
    counts = re.findall(r"^(\d+) tried, (\d+) wrong$", shown, re.MULTILINE)
    assert [(int(tried), int(wrong)) for tried, wrong in counts[:-1]] == [(9, 0), (7, 0), (7, 0), (4, 0), (4, 0)]
    assert counts[-1] == ("9", "2"), "the control"
    assert "gateways of the networks before: gw1, gw1, gw1" in shown and "after: gw2, gw2, gw2" in shown
    assert "noticed: blue/web1 to 198.51.100.1" in shown
    assert "observed equals expected, and the control was noticed" in shown


if framework() == frameworks()[0]:
    # What is compiled is the same under each framework: these are gone through under one.

    def test_networks_extend_to_sites_and_nobody_else_gets_in() -> None:
        shown = script("sites")
        for line in (
            "172 pairs, 96 should reach, 96 did; 0 wrong",
            "frames crossed the network between in tunnels; 0 had no business there",
            "due 48 times, heard 48 times, one copy to each other site of the network; 0 wrong",
            "28 pages fetched over TCP, IPv4 and IPv6; 0 not",
            "to red/paris: 1450 bytes of IP pass, 1451 do not",
            "to red/oslo: 1458 bytes of IP pass, 1459 do not",
            "0 came where they may not, or did not where they must",
            "60 of 60 pings between members answered, 60 of 60 to another site",
            "0 of 3 pings to it answered, 120 of 120 to others",
            "wireguard: 8 of 8 members reached over IPv4 and IPv6; 1370 bytes of IP pass, 1371 do not",
            "on the wire: UDP 51820",
            "ipsec: 8 of 8 members reached over IPv4 and IPv6; 1350 bytes of IP pass, 1351 do not",
            "on the wire: UDP 4500",
            "noticed: site red/paris got 1 copies of a broadcast of red/paris1/eth0, should 0",
            "observed equals expected, and both controls were noticed",
        ):
            assert line in shown, shown

    def test_sites_fail_where_rows_are_altered() -> None:
        shown = script("sites", "--tamper", code=1)
        assert "WRONG: blue/lima1/eth0 did not reach blue/vm1/eth0 over IPv4" in shown
        assert "WRONG: site red/paris got 1 copies of a broadcast of red/paris2/eth0, should 0" in shown
        assert "observed differs from expected" in shown

    def test_the_internet_fails_where_one_row_on_a_gateway_is_altered() -> None:
        shown = script("internet", "--tamper", code=1)
        assert "WRONG: blue/web1 to 198.51.100.1: expected" in shown
        assert "observed differs from expected" in shown

    def test_nobody_has_more_than_his_limits_and_nobody_else_less() -> None:
        shown = script("limits")
        assert "red opened 300 connections, may have 30: 30" in shown, shown
        assert "observed equals expected" in shown

    def test_where_nothing_is_limited_that_is_seen() -> None:
        shown = script("limits", "--tamper", code=1)
        for line in (
            "WRONG: may send 8M",
            "WRONG: may be sent 8M",
            "WRONG: network out 8M",
            "WRONG: red has 301 connections",
        ):
            assert line in shown, shown
