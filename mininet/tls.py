"""Controller and switches speak TLS, and each knows the other by certificate.

    python mininet/tls.py [TOPOLOGY]

Starts the controller with a certificate and no plain port, lets the switches connect with certificates that the same
authority signed, applies the intent and pings; then gives the switches certificates of another authority. Exit code 0
only if the first come into step and the second are turned away, while the traffic goes on.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from vnet_lab import reachability, sandbox, show
from vnet_lab.certificates import Authority, Certificate
from vnet_lab.lab import Lab
from vnet_lab.running import RunningLab
from vnet_lab.sandbox import LabError, run

AWAY_SECONDS = 30.0


def main() -> int:
    sandbox.prepare()
    with tempfile.TemporaryDirectory(prefix="tls-", dir="/run/vnet-lab") as folder:
        ours, foreign = Authority(Path(folder), "ours"), Authority(Path(folder), "foreign")
        controller, switch, stranger = ours.issue("controller"), ours.issue("switch"), foreign.issue("switch")
        settings = {
            "VNET_OPENFLOW_CERT": str(controller.certificate),
            "VNET_OPENFLOW_KEY": str(controller.key),
            "VNET_OPENFLOW_CA": str(ours.certificate),
        }

        def trust(lab: Lab) -> None:
            identify(switch, ours)

        name = sys.argv[1] if len(sys.argv) > 1 else "figure"
        with RunningLab(name, settings=settings, target="ssl:127.0.0.1:6653", prepare=trust) as running:
            print(f"{running.framework}: all {len(running.topology.switches)} switches are in step over TLS")
            wrong = differences(running)
            identify(stranger, ours)
            try:
                wait_all_away(running)
            except LabError as error:
                wrong.append(str(error))
            else:
                print("with certificates of another authority none of them is let in")
            wrong += differences(running)
    for line in wrong:
        print(f"WRONG: {line}")
    print("FAILED" if wrong else "ok")
    return 1 if wrong else 0


def identify(certificate: Certificate, authority: Authority) -> None:
    """Let all bridges show this certificate, and trust that authority; they connect anew."""
    run("ovs-vsctl", "set-ssl", str(certificate.key), str(certificate.certificate), str(authority.certificate))


def differences(running: RunningLab) -> list[str]:
    """Who reaches whom, where it differs from who should."""
    return show.wrong_pairs(reachability.measure(running.lab), reachability.expected(running.topology))


def wait_all_away(running: RunningLab) -> None:
    """Wait until the controller has lost every switch. Raises LabError where it keeps one."""
    # Connections that stand are not cut by another certificate: let them be made anew.
    running.controller.restart()
    deadline = time.monotonic() + AWAY_SECONDS
    while kept := [switch["name"] for switch in running.client.switches() if switch["state"] != "away"]:
        if time.monotonic() > deadline:
            raise LabError(f"let in with a certificate of another authority: {', '.join(kept)}")
        time.sleep(0.2)
    # Long enough for each of them to have tried again more than once.
    time.sleep(4)
    back = [switch["name"] for switch in running.client.switches() if switch["state"] != "away"]
    if back:
        raise LabError(f"let in with a certificate of another authority: {', '.join(back)}")


sandbox.main(main)
