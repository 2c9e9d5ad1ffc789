"""Many short TCP connections, and one that goes to and fro: a program of its own, to be run in network namespaces.

    python -I connecting.py serve PORT                                      sends back what it is sent, until killed
    python -I connecting.py connect PORT SECONDS CLIENTS SOURCE SERVER…     one connection after the other
    python -I connecting.py exchange PORT COUNT SOURCE SERVER               one question after the other, on one

Each client is a process of its own with blocking sockets, so that none waits for another in the interpreter. What was
found is printed as JSON: the seconds that each connection or exchange took.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from contextlib import suppress
from multiprocessing import get_context

QUESTION = b"question".ljust(64)
WORKERS = 16
"""How many connections the server talks on at once."""
IP_BIND_ADDRESS_NO_PORT = 24
"""Let connect() choose the port, which may then be in use to another server (ip(7))."""
LONGEST = 4096
SILENCE = struct.pack("ll", 5, 0)
"""Seconds and microseconds (a timeval) after which a worker looks whether it is still wanted."""
FORK_SECONDS = 0.2
"""How long all clients have to be there, before they begin."""


def serve(port: int) -> None:
    """Answer on all addresses until killed. Says so when it can be asked."""
    listener = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    # The connections that it accepts inherit this. A timeout of Python's would cost a system call each time.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, SILENCE)
    for _ in range(WORKERS):
        get_context("fork").Process(target=_answer, args=(listener, os.getpid())).start()
    print("ready", flush=True)


def _answer(listener: socket.socket, parent: int) -> None:
    """Until the process that started it is gone."""
    while os.getppid() == parent:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while data := connection.recv(LONGEST):
                    connection.sendall(data)


def connect(port: int, seconds: float, clients: int, source: str, servers: list[str]) -> list[float]:
    """Connect, ask, take the answer, close, and again, by so many clients at a time: the seconds each time took."""
    begin = time.perf_counter() + FORK_SECONDS
    turns = [(port, begin, begin + seconds, source, servers[at:] + servers[:at]) for at in range(clients)]
    with get_context("fork").Pool(clients) as pool:
        return [taken for each in pool.starmap(_connect_between, turns, chunksize=1) for taken in each]


def _connect_between(port: int, begin: float, until: float, source: str, servers: list[str]) -> list[float]:
    taken = []
    time.sleep(max(0.0, begin - time.perf_counter()))
    while (started := time.perf_counter()) < until:
        with _connected(port, source, servers[len(taken) % len(servers)]) as connection:
            _ask(connection)
        taken.append(time.perf_counter() - started)
    return taken


def exchange(port: int, count: int, source: str, server: str) -> list[float]:
    """The seconds from question to answer, on one connection."""
    taken = []
    with _connected(port, source, server) as connection:
        for _ in range(count):
            started = time.perf_counter()
            _ask(connection)
            taken.append(time.perf_counter() - started)
    return taken


def _connected(port: int, source: str, server: str) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_STREAM)
    connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.bind((source, 0))
    connection.connect((server, port))
    return connection


def _ask(connection: socket.socket) -> None:
    connection.sendall(QUESTION)
    answer = b""
    while len(answer) < len(QUESTION):
        piece = connection.recv(LONGEST)
        if not piece:
            raise ConnectionError("the server closed before it had answered")
        answer += piece


def main(arguments: list[str]) -> None:
    """What the command line says."""
    match arguments:
        case ["serve", port]:
            serve(int(port))
        case ["connect", port, seconds, clients, source, *servers]:
            print(json.dumps(connect(int(port), float(seconds), int(clients), source, servers)))
        case ["exchange", port, count, source, server]:
            print(json.dumps(exchange(int(port), int(count), source, server)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
