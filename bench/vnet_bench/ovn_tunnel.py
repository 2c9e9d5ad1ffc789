"""What OVN's Geneve tunnel carries: two chassis with the userspace data path, a machine on each.

     node0          chassis0                       chassis1          node1
    ┌──────┐   ┌──────────────────┐          ┌──────────────────┐   ┌──────┐
    │ eth0 ├───┤ br-int   br-phy  ├──────────┤ br-phy   br-int  ├───┤ eth0 │
    └──────┘   └──────────────────┘  phy0    └──────────────────┘   └──────┘

Each box is a network namespace. Open vSwitch encapsulates by itself, without the kernel's Geneve, where the tunnel's
far end is reached through a bridge of the same data path that has an address: br-phy ("Connecting VMs Using Tunnels
(Userspace)" in Open vSwitch's documentation). Geneve over IPv4 with OVN's option takes 58 bytes, so the wire between
the chassis has room for them, and the machines have the MTU that they have with us.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from .ovn_central import Central
from .ovn_chassis import BRIDGE, Chassis
from .ovn_children import check_programs, wait_until
from .ovn_layout import Layout
from .traffic import Namespace, join, lost_pings, tcp_throughput

NODE_MTU = 1500
WIRE_MTU = 1600
UNDERLAY = "br-phy"
PINGS_A_SECOND = 200
PINGS = 20 * PINGS_A_SECOND
ADDRESSES = ("10.0.0.1", "10.0.0.2")
"""Of the machines, as the layout gives them to the first two ports."""
UNDERLAY_ADDRESSES = ("192.0.2.1", "192.0.2.2")


class OvnTunnel:
    """The picture above, in a folder, from entering the context until leaving it. Needs root, the programs of OVN and
    Open vSwitch, iperf3, iproute2, ethtool and iputils-ping.

    `company` is how many ports there are besides the two machines', so that tables are as full as in real use; there
    is nobody behind those.

    with OvnTunnel(folder) as tunnel:
        print(tunnel.throughput(seconds=5))
    """

    def __init__(self, folder: Path, company: int = 0) -> None:
        self._folder = folder
        self._company = company
        self._stack = ExitStack()
        self._chassis: list[Chassis] = []

    def __enter__(self) -> OvnTunnel:
        check_programs()
        with ExitStack() as stack:
            hosts = [stack.enter_context(Namespace()) for _ in ADDRESSES]
            self._nodes = [stack.enter_context(Namespace()) for _ in ADDRESSES]
            self._central = Central(self._folder / "central")
            stack.callback(self._central.stop)
            self._central.start()
            join(hosts[0], "phy0", hosts[1], "phy0")
            for number, host in enumerate(hosts):
                chassis = Chassis(
                    f"chassis{number}",
                    self._folder / f"chassis{number}",
                    self._central.southbound,
                    UNDERLAY_ADDRESSES[number],
                    datapath="netdev",
                    namespace=host.path,
                )
                stack.callback(chassis.stop)
                chassis.start()
                self._chassis.append(chassis)
                self._wire(number, host)
                chassis.start_controller()
            self._central.wait_for_chassis(len(hosts))
            self._add_ports()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def throughput(self, seconds: int) -> float:
        """What one TCP connection carries from the one machine to the other, in Mbit/s."""
        return tcp_throughput(self._nodes[0].path, self._nodes[1].path, ADDRESSES[1], seconds)

    def outage(self, *, crash: bool = False) -> float:
        """For how many seconds traffic stops when ovn-controller is restarted on one chassis: pings that were lost,
        at 200 a second.

        The userspace data path forwards in the thread that takes the rows, so part of it is that thread being busy
        with tens of thousands of them. With the kernel's data path, traffic of known flows would go on meanwhile.
        """
        chassis = self._chassis[1]

        def restart() -> None:
            chassis.end_controller(crash=crash)
            chassis.start_controller()

        return lost_pings(self._nodes[0].path, ADDRESSES[1], PINGS, restart, PINGS_A_SECOND) / PINGS_A_SECOND

    def _wire(self, number: int, host: Namespace) -> None:
        """Connect a host to its machine and to the other host."""
        chassis, node = self._chassis[number], self._nodes[number]
        plan = Layout().port(number)
        join(host, plan.name, node, "eth0")
        mac, address = plan.addresses.split()
        node.set_up("eth0", mtu=NODE_MTU, address=f"{address}/24", mac=mac)
        host.set_up(plan.name, mtu=NODE_MTU)
        host.set_up("phy0", mtu=WIRE_MTU)
        chassis.vsctl("add-br", UNDERLAY, "--", "set", "Bridge", UNDERLAY, "datapath_type=netdev")
        chassis.vsctl("add-port", UNDERLAY, "phy0")
        host.set_up(UNDERLAY, mtu=WIRE_MTU, address=f"{UNDERLAY_ADDRESSES[number]}/24")
        identity = f"external_ids:iface-id={plan.name}"
        chassis.vsctl("add-port", BRIDGE, plan.name, "--", "set", "Interface", plan.name, identity)

    def _add_ports(self) -> None:
        plans = Layout().ports(len(ADDRESSES) + self._company)
        for number, chassis in enumerate(self._chassis):
            chassis.add_interfaces([plan.name for plan in plans[len(ADDRESSES) :] if plan.chassis == number])
        self._central.create_networks(plan.network for plan in plans)
        self._central.add_ports(plans)
        self._central.wait_until_bound(len(plans))

        def answers() -> bool:
            try:
                self._nodes[0].run("ping", "-q", "-c", "1", "-W", "1", ADDRESSES[1])
            except RuntimeError:
                return False
            return True

        wait_until(answers, f"{ADDRESSES[1]} answers through the tunnel")
