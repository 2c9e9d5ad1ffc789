"""Configuration that protects a site's tunnel: what it says for each end, and what is refused."""

from __future__ import annotations

import re
from configparser import ConfigParser
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from ryu_vnet.errors import Invalid
from ryu_vnet.model.sites import Protocol
from ryu_vnet.services.protection import End, Keys, Protected, ipsec, site_commands, wireguard


def site(**parts: Any) -> Protected:
    known: dict[str, Any] = {
        "name": "red/paris",
        "protocol": Protocol.VXLAN,
        "remote": ip_address("10.254.0.2"),
        "key": 5000,
        "own": ip_interface("10.255.0.1/30"),
        "endpoint": ip_address("203.0.113.1"),
        "peer": ip_address("198.51.100.7"),
    }
    return Protected(**{**known, **parts})


def read(text: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_string(text)
    return parser


def test_no_two_sites_have_one_name_and_none_has_what_a_device_or_swanctl_does_not_take() -> None:
    names = ["red/paris", "blue/paris", "red/warehouse-east", "red/warehouse-west", "red/a.b", "red/a-b", "red/a"]
    devices = [site(name=name).device for name in names]
    assert len({*devices}) == len(names)
    assert all(re.fullmatch("vnet-[A-Za-z0-9]{6,10}", device) for device in devices)
    assert f"vnet-{'paris'}" in devices[0] and f"conf.d/{devices[4]}.conf" in ipsec(site(name="red/a.b"), End.SITE)


@pytest.mark.parametrize("secret", ['a"b', "a\\b", "a\nb"])
def test_a_secret_that_would_break_the_file_is_refused(secret: str) -> None:
    with pytest.raises(Invalid, match="strongSwan does not take"):
        ipsec(site(), End.SITE, Keys(secret=secret))


def test_the_ends_of_wireguard_let_each_other_through_and_nothing_else() -> None:
    gateway, far = (read(wireguard(site(), end)) for end in (End.GATEWAY, End.SITE))
    assert gateway["Peer"]["AllowedIPs"] == far["Interface"]["Address"] == "10.254.0.2/32"
    assert far["Peer"]["AllowedIPs"] == "10.255.0.1/32"
    assert far["Peer"]["Endpoint"] == "203.0.113.1:51820" and gateway["Peer"]["Endpoint"] == "198.51.100.7:51820"
    assert gateway["Interface"]["ListenPort"] == far["Interface"]["ListenPort"] == "51820"
    assert {part["Interface"]["MTU"] for part in (gateway, far)} == {"1420"}


def test_a_site_of_which_nobody_knows_where_it_is_comes_by_itself() -> None:
    gateway, far = (read(wireguard(site(peer=None), end)) for end in (End.GATEWAY, End.SITE))
    assert "Endpoint" not in gateway["Peer"] and "ListenPort" not in far["Interface"]
    assert far["Peer"]["PersistentKeepalive"] == "25"
    with pytest.raises(Invalid, match="where the site is"):
        ipsec(site(peer=None), End.SITE)


def test_keys_are_those_given_and_else_placeholders() -> None:
    text = wireguard(site(), End.SITE, Keys("mine", "theirs"))
    assert "PrivateKey = mine\n" in text and "PublicKey = theirs\n" in text
    text = wireguard(site(), End.SITE)
    assert "<private key of the site: wg genkey>" in text and "<public key of the gateway: wg pubkey>" in text
    assert 'secret = "<secret that both ends have' in ipsec(site(), End.SITE)
    assert 'secret = "both"' in ipsec(site(), End.SITE, Keys(secret="both"))


def test_the_ends_of_ipsec_are_each_other_turned_round() -> None:
    def parts(end: End) -> dict[str, str]:
        lines = (line.strip().split(" = ") for line in ipsec(site(), end).splitlines() if " = " in line)
        return {words[0]: words[1] for words in lines}

    gateway, far = parts(End.GATEWAY), parts(End.SITE)
    assert (gateway["local_ts"], gateway["remote_ts"]) == ("10.255.0.0/30", "10.254.0.2/32")
    assert (far["remote_ts"], far["local_ts"]) == (gateway["local_ts"], gateway["remote_ts"])
    assert (far["remote_addrs"], far["local_addrs"]) == (gateway["local_addrs"], gateway["remote_addrs"])
    assert (gateway["start_action"], far["start_action"]) == ("none", "start")


def test_over_ipv6() -> None:
    six = site(
        remote=ip_address("fd00:1::2"), own=ip_interface("fd00:2::1/64"), endpoint=ip_address("2001:db8::1"), peer=None
    )
    far = read(wireguard(six, End.SITE))
    assert far["Peer"]["Endpoint"] == "[2001:db8::1]:51820" and far["Peer"]["AllowedIPs"] == "fd00:2::1/128"


def test_the_sites_end_of_the_tunnel() -> None:
    assert site_commands(site(), 1370)[1] == (
        "ip link add vx0 type vxlan id 5000 local 10.254.0.2 remote 10.255.0.1 dstport 4789"
    )
    assert "options:remote_ip=10.255.0.1 options:key=5000" in site_commands(site(protocol=Protocol.GRE), 1378)[1]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"own": ip_interface("fd00::1/64")}, "of different kinds"),
        ({"own": ip_interface("10.254.0.1/24")}, "on the gateway's own link"),
        ({"peer": ip_address("10.254.0.2")}, "where the protection itself is reached"),
        ({"endpoint": ip_address("10.254.0.2")}, "where the protection itself is reached"),
    ],
)
def test_what_contradicts_itself_is_refused(parts: dict[str, Any], words: str) -> None:
    for text in (wireguard, ipsec):
        with pytest.raises(Invalid, match=words):
            text(site(**parts), End.GATEWAY)
