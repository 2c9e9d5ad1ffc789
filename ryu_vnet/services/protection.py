"""Configuration that protects a site's tunnel where it crosses a network that nobody trusts: WireGuard and IPsec.

Between the gateway and that network stands a machine, or a namespace, that protects: it is the gateway's next hop to
the site. To the gateway a protected site is one like any other, whose address exists inside the protection alone.

    gateway ── own address ── link ── protecting machine ═══ endpoint ═══ peer ═══ site's end (remote)

Texts for wg-quick(8) and swanctl.conf(5). No key is made here: each is given, or stands as a placeholder in angle
brackets, which both programs refuse.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Interface, IPv6Interface

from ..errors import Invalid, Problem
from ..model.outside import Address
from ..model.sites import Protocol

WIREGUARD_PORT = 51820
KEEPALIVE_SECONDS = 25
"""How often a site says that it is there, so that translations on the way do not forget it."""
WIREGUARD_LOSS = 80
"""Bytes of IP that WireGuard takes at most: IPv6 40, UDP 8, its own 32. wg-quick subtracts the same."""
IPSEC_LOSS = 100
"""What strongSwan's kernel-libipsec takes of 1500 bytes (its device has 1400), always inside UDP."""
IKE_PROPOSAL = "aes256gcm16-prfsha256-ecp256"
ESP_PROPOSAL = "aes256gcm16-ecp256"
DPD_SECONDS = 10
VXLAN_PORT = 4789
_NAME_LENGTH, _HASH_LENGTH = 5, 5
_NOT_IN_QUOTES = frozenset('"\\\r\n')


class End(Enum):
    """Which of the two ends a text is for."""

    GATEWAY = "gateway"
    """The machine that protects."""
    SITE = "site"

    @property
    def other(self) -> End:
        """The one at the other side."""
        return End.SITE if self is End.GATEWAY else End.GATEWAY


@dataclass(frozen=True, slots=True)
class Protected:
    """A site whose tunnel is to be protected.

    `name` is `tenant/name`; `remote` and `key` are the site's own, `remote` an address inside the protection. `own` is
    the gateway's address on the link to the protecting machine, with the link's prefix. `endpoint` is where that
    machine is reached from outside, `peer` where the site is; None where that is not known.
    """

    name: str
    protocol: Protocol
    remote: Address
    key: int
    own: IPv4Interface | IPv6Interface
    endpoint: Address
    peer: Address | None = None

    @property
    def device(self) -> str:
        """What the protection is called at both ends: no two sites the same, by a hash, so that a machine may protect
        many. A device has 15 characters at most, and swanctl.conf takes no dots in names."""
        plain = re.sub("[^A-Za-z0-9]", "", self.name.partition("/")[2])
        return f"vnet-{plain[:_NAME_LENGTH]}{hashlib.sha256(self.name.encode()).hexdigest()[:_HASH_LENGTH]}"

    @property
    def alone(self) -> str:
        """The site's address as a prefix of its whole length."""
        return f"{self.remote}/{self.remote.max_prefixlen}"

    @property
    def own_alone(self) -> str:
        """The gateway's address as a prefix of its whole length."""
        return f"{self.own.ip}/{self.own.max_prefixlen}"

    def check(self) -> None:
        """Refuse what cannot be. Raises Invalid."""
        if self.remote.version != self.own.version:
            hint = "of one version of IP: both are inside the protection"
            raise Invalid(Problem("own", f"{self.own.ip} and the site's {self.remote} are of different kinds", hint))
        if self.remote in self.own.network:
            hint = "an address of the site's own, inside the protection alone"
            raise Invalid(
                Problem("own", f"the site's {self.remote} is on the gateway's own link {self.own.network}", hint)
            )
        if self.remote in (self.endpoint, self.peer):
            hint = "put the site anew, with an address that exists inside the protection alone"
            raise Invalid(Problem("remote", f"{self.remote} is where the protection itself is reached", hint))


@dataclass(frozen=True, slots=True)
class Keys:
    """What each end knows; None: a placeholder."""

    private: str | None = None
    """WireGuard: the private key of the end that the text is for."""
    public: str | None = None
    """WireGuard: the public key of the other end."""
    secret: str | None = None
    """IPsec: the secret that both ends share."""


def wireguard(site: Protected, end: End, keys: Keys = Keys(), mtu: int = 1500) -> str:
    """The configuration of one end for wg-quick(8); `mtu` is that of the network that is not trusted.

    Raises Invalid where what is given contradicts itself."""
    site.check()
    other = end.other.value
    lines = [
        f"# {site.name}, the {end.value}'s end: /etc/wireguard/{site.device}.conf, then wg-quick up {site.device}",
        "[Interface]",
        f"PrivateKey = {keys.private or f'<private key of the {end.value}: wg genkey>'}",
        f"MTU = {mtu - WIREGUARD_LOSS}",
    ]
    if end is End.GATEWAY:
        lines.append(f"ListenPort = {WIREGUARD_PORT}")
    else:
        lines.append(f"Address = {site.alone}")
    lines += ["", "[Peer]", f"PublicKey = {keys.public or f'<public key of the {other}: wg pubkey>'}"]
    # What the other end may send from here, and what is sent to it: nothing else passes.
    lines.append(f"AllowedIPs = {site.alone if end is End.GATEWAY else site.own_alone}")
    if end is End.SITE:
        lines.append(f"Endpoint = {_endpoint(site.endpoint)}")
        lines.append(f"PersistentKeepalive = {KEEPALIVE_SECONDS}")
    elif site.peer is not None:
        lines.append(f"Endpoint = {_endpoint(site.peer)}")
    if end is End.SITE and site.peer is not None:
        lines.insert(3, f"ListenPort = {WIREGUARD_PORT}")
    return "\n".join(lines) + "\n"


def _endpoint(address: Address) -> str:
    return f"[{address}]:{WIREGUARD_PORT}" if address.version == 6 else f"{address}:{WIREGUARD_PORT}"


def ipsec(site: Protected, end: End, keys: Keys = Keys()) -> str:
    """The connection of one end for strongSwan, as a file of /etc/swanctl/conf.d. Tunnel mode, IKEv2, a shared secret.

    Raises Invalid where what is given contradicts itself, or where it is not known where the site is."""
    site.check()
    if site.peer is None:
        raise Invalid(Problem("peer", "IPsec needs to know where the site is", "--peer ADDRESS"))
    if keys.secret is not None and not _NOT_IN_QUOTES.isdisjoint(keys.secret):
        hint = "one without quotation marks, backslashes and line breaks: openssl rand -base64 32"
        raise Invalid(Problem("secret", "it has characters that a file of strongSwan does not take", hint))
    is_gateway = end is End.GATEWAY
    # A selector must contain an address that the protecting machine itself has: so it is the whole link.
    selectors = (str(site.own.network), site.alone)
    near, far = (site.endpoint, site.peer) if is_gateway else (site.peer, site.endpoint)
    local, remote = selectors if is_gateway else selectors[::-1]
    secret = keys.secret or "<secret that both ends have: openssl rand -base64 32>"
    return f"""\
# {site.name}, the {end.value}'s end: /etc/swanctl/conf.d/{site.device}.conf, then swanctl --load-all
connections {{
  {site.device} {{
    version = 2
    local_addrs = {near}
    remote_addrs = {far}
    encap = yes
    proposals = {IKE_PROPOSAL}
    dpd_delay = {DPD_SECONDS}s
    local {{
      auth = psk
      id = {near}
    }}
    remote {{
      auth = psk
      id = {far}
    }}
    children {{
      {site.device} {{
        mode = tunnel
        local_ts = {local}
        remote_ts = {remote}
        esp_proposals = {ESP_PROPOSAL}
        start_action = {"none" if is_gateway else "start"}
        dpd_action = restart
        close_action = trap
      }}
    }}
  }}
}}
secrets {{
  ike-{site.device} {{
    id-1 = {near}
    id-2 = {far}
    secret = "{secret}"
  }}
}}
"""


def site_commands(site: Protected, mtu: int) -> list[str]:
    """What a site of Linux does for its end of the tunnel, once the protection is up: a bridge `br0`, to which its
    machines are connected. `mtu` is what is left for them."""
    if site.protocol is Protocol.GRE:
        return [
            "ovs-vsctl add-br br0",
            f"ovs-vsctl add-port br0 gre0 -- set interface gre0 type=gre options:local_ip={site.remote} "
            f"options:remote_ip={site.own.ip} options:key={site.key}",
        ]
    return [
        "ip link add br0 type bridge",
        f"ip link add vx0 type vxlan id {site.key} local {site.remote} remote {site.own.ip} dstport {VXLAN_PORT}",
        f"ip link set vx0 mtu {mtu} master br0 up",
        "ip link set br0 up",
    ]
