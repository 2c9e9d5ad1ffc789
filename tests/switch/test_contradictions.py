"""Requests that contradict each other in the same instant: each is done wholly or refused with a reason, and what is
left is what the last of them asked for."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from data_centre import ECHO, DataCentre

from ryu_vnet.client import Client
from ryu_vnet.errors import VnetError

CLIENTS, REQUESTS = 6, 40
NODE = "blue/vm1.2"
PLACES = ("host1:vm1.2", "host1:spare1", "host2:spare2", "host3:spare3")
WEB = {"match": {"node": "vm1.2"}, "networks": ["V"]}


def requests_of(client: Client, chance: random.Random) -> Callable[[], object]:
    """One of the things that a client may want of one node, its networks and the policies about it."""
    place = chance.choice(PLACES)
    wants: list[Callable[[], object]] = [
        lambda: client.start(NODE, {"eth0": place}),
        lambda: client.stop(NODE),
        lambda: client.restart(NODE),
        lambda: client.fail(NODE),
        lambda: client.move(NODE, {"eth0": place}),
        lambda: client.move(NODE, {"eth0": place}, now=True),
        lambda: client.attach(NODE, "blue/W"),
        lambda: client.detach(NODE, "blue/W"),
        lambda: client.put_policy("web", WEB),
        lambda: client.delete_policy("web"),
        lambda: client.put_network("blue/V"),
        lambda: client.delete_network("blue/V"),
        lambda: client.prepare(NODE, {}),
    ]
    return chance.choice(wants)


def test_contradictions_in_the_same_instant_leave_nothing_by_half(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        centre.bring_up()
        centre.add_ports(PLACES[1:])
        for name in ("blue/V", "blue/W"):
            centre.client.put_network(name)
        outcomes: Counter[str] = Counter()
        strange: list[BaseException] = []

        def ask(seed: int) -> None:
            chance = random.Random(seed)
            with Client(centre.controller.url) as client:
                for _ in range(REQUESTS):
                    try:
                        requests_of(client, chance)()
                        outcomes["done"] += 1
                    except VnetError as error:
                        outcomes[type(error).__name__ if str(error) else "no reason"] += 1
                    except BaseException as error:
                        strange.append(error)
                        return

        askers = [threading.Thread(target=ask, args=(seed,)) for seed in range(CLIENTS)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert strange == [] and sum(outcomes.values()) == CLIENTS * REQUESTS
        assert outcomes["done"] > REQUESTS and outcomes["Unreachable"] == outcomes["no reason"] == 0, outcomes

        assert centre.client.fsck(switches=True)["findings"] == []
        centre.wait(lambda: centre.client.status()["realised"], "all is realised")
        centre.check_tables()
        assert centre.client.stop(NODE, wait=30).realised
        assert centre.client.start(NODE, {"eth0": PLACES[0]}, wait=30).realised
        assert centre.fabric.send(PLACES[0], [ECHO]) == {"host3:vm3.1": [ECHO]}
