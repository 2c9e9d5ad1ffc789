"""A program that has imported a framework and the controller, and forks a controller off each time it is asked to.

    python forking.py ryu

Starting Python and importing take ten times as long as all else that a controller does before it answers. From the
fork on, everything is as in a start: the framework's own main function, with settings from the environment.

Asked by a line of JSON on its input, `{"environment": {...}, "log": "/path"}`, it says the process number on its
output, and when that process has ended, how: a number as in `subprocess.Popen.returncode`. It has one at a time, and
ends when its input does.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module

# Taken before eventlet puts functions of its own in their place, which would start its loop here.
fork, wait_for = os.fork, os.waitpid


def import_ryu() -> Callable[[], object]:
    """What `ryu-manager ryu_vnet.app` imports, in its order; and how to run that."""
    from ryu.cmd import manager
    from ryu.lib import hub

    # As its main function does before it imports the application. Done twice, it is done once.
    hub.patch(thread=True)
    import_module("ryu_vnet.app")

    return lambda: manager.main(["ryu_vnet.app"], "ryu-manager")


def import_os_ken() -> Callable[[], object]:
    """The same for `python -m ryu_vnet controller`."""
    from ryu_vnet import framework

    # What it imports first is the framework, which prepares eventlet before anything else is there.
    import_module("ryu_vnet.app")

    return framework.run


IMPORT = {"ryu": import_ryu, "os-ken": import_os_ken}


def become_controller(run: Callable[[], object], environment: dict[str, str], log: str) -> None:
    """Run a controller in this process, which was forked for it."""
    from eventlet import hubs

    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in enumerate((nothing, output, output)):
        os.dup2(source, number)
    # The loop that importing left behind has a descriptor for epoll that all forks share.
    hubs.use_hub()
    run()


def main() -> None:
    run = IMPORT[sys.argv[1]]()
    gc.freeze()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        pid = fork()
        if pid == 0:
            become_controller(run, asked["environment"], asked["log"])
            return
        print(pid, flush=True)
        _, status = wait_for(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
