"""Rows of remote sites on a real switch, and what is generated for their protection in the programs that take it."""

from __future__ import annotations

import os
import subprocess
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest
import yaml
from drawn import applied
from dummy_fabric import wait_until
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler.rows import Row
from ryu_vnet.compiler.text import row_text
from ryu_vnet.model.sites import Protocol
from ryu_vnet.schema import Intent
from ryu_vnet.services.protection import End, Keys, Protected, ipsec, wireguard

SITES = Path(__file__).parents[2] / "topologies" / "sites.yaml"
PATIENCE_SECONDS = 20.0
CHARON = """\
charon-systemd {{
  load = random nonce openssl sha1 sha2 hmac kdf aes gcm pem pkcs1 x509 pubkey vici socket-default kernel-netlink
  plugins {{
    vici {{
      socket = unix://{folder}/vici
    }}
  }}
}}
"""


def gateway_rows(document: dict[str, object]) -> list[Row]:
    rows = applied(Intent.model_validate(document)).tables["gw1"].rows.values()
    return [row for row in rows if not any("group" in text for text in [row_text(row)])]


@pytest.mark.parametrize("version", [4, 6])
def test_a_switch_takes_the_rows_of_sites(tmp_path: Path, version: int) -> None:
    document = yaml.safe_load(SITES.read_text())
    if version == 6:
        for number, tunnel in enumerate(document["fabric"]["switches"]["gw1"]["tunnels"].values()):
            tunnel["address"] = f"2001:db8::{number + 1}"
        for number, tenant in enumerate(document["tenants"].values()):
            for index, site in enumerate(tenant["sites"].values()):
                site["remote"] = f"2001:db8:{number + 1}::{index + 1}"
    rows = gateway_rows(document)
    assert sum(row.table == 92 for row in rows) == 8
    with DummyOvs(tmp_path) as ovs:
        ovs.add_bridge("gw1", 0x11)
        (tmp_path / "rows").write_text("".join(f"{row_text(row)}\n" for row in rows))
        ovs.ofctl("-O", "OpenFlow14", "add-flows", "gw1", str(tmp_path / "rows"))
        dumped = ovs.ofctl("-O", "OpenFlow14", "dump-flows", "gw1").splitlines()
    assert sum("actions=" in line for line in dumped) == len(rows)


def protected() -> Protected:
    own, endpoint, peer = ip_interface("10.255.0.1/30"), ip_address("203.0.113.1"), ip_address("198.51.100.7")
    return Protected("red/paris", Protocol.VXLAN, ip_address("10.254.0.2"), 5000, own, endpoint, peer)


@pytest.mark.parametrize("end", [*End])
def test_strongswan_takes_what_is_generated(tmp_path: Path, end: End) -> None:
    """There is no parser to ask without a daemon: one is started in a namespace without any network."""
    (tmp_path / "strongswan.conf").write_text(CHARON.format(folder=tmp_path))
    (tmp_path / "swanctl.conf").write_text(ipsec(protected(), end, Keys(secret="not much of a secret")))
    environment = {
        **os.environ, "STRONGSWAN_CONF": str(tmp_path / "strongswan.conf"), "SWANCTL_DIR": str(tmp_path)
    }  # fmt: skip
    command = ["unshare", "--net", "charon-systemd"]
    with (tmp_path / "said").open("w") as said:
        daemon = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        wait_until((tmp_path / "vici").exists, "charon-systemd", PATIENCE_SECONDS)
        load = ["swanctl", "--load-all", "--noprompt", "--uri", f"unix://{tmp_path}/vici"]
        done = subprocess.run(load, env=environment, capture_output=True, text=True, check=False)
        # A file that cannot be parsed is no error to it: nothing is loaded then.
        assert "successfully loaded 1 connections" in done.stdout, done.stdout + done.stderr
        assert done.returncode == 0
    finally:
        daemon.terminate()
        daemon.wait()


@pytest.mark.parametrize("end", [*End])
def test_wg_quick_takes_what_is_generated(tmp_path: Path, end: End) -> None:
    private, other = (subprocess.run(["wg", "genkey"], capture_output=True, text=True).stdout.strip() for _ in range(2))
    public = subprocess.run(["wg", "pubkey"], input=other, capture_output=True, text=True, check=True).stdout.strip()
    path = tmp_path / f"wgt{os.getpid() % 10000}.conf"
    path.write_text(wireguard(protected(), end, Keys(private, public)))
    stripped = subprocess.run(["wg-quick", "strip", str(path)], capture_output=True, text=True, check=True).stdout
    assert f"PrivateKey = {private}" in stripped and "AllowedIPs" in stripped
    script = (
        f"ip link set lo up; WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go wg-quick up {path} && wg show {path.stem}"
    )
    script += f" && ip route && wg-quick down {path}"
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "allowed ips: " + ("10.254.0.2/32" if end is End.GATEWAY else "10.255.0.1/32") in done.stdout
