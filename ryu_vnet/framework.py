"""The only module that knows whether the OpenFlow framework is Ryu or os-ken, Ryu's maintained continuation.

Under `ryu-manager` it is Ryu, otherwise os-ken; both with the eventlet hub, which Ryu has built in and os-ken takes
from `OSKEN_HUB_TYPE`. What the application uses of either is named here and is the same in both.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import eventlet
from eventlet import wsgi

from .errors import Invalid, Problem
from .openflow.wire import MessageType, Multipart

if TYPE_CHECKING:
    from .settings import Settings

NAME = "ryu" if "ryu.base.app_manager" in sys.modules else "os_ken"
if NAME == "os_ken":
    # ryu-manager has done both before it loads us. Before anything of os-ken, which takes its hub from the
    # environment and, with this hub, would have threads alone made green. And before much else: each lock that is
    # there already costs it a search through all objects, a second and a half with what the settings import.
    os.environ.setdefault("OSKEN_HUB_TYPE", "eventlet")
    eventlet.monkey_patch()

_manager = import_module(f"{NAME}.base.app_manager")
_cfg = import_module(f"{NAME}.cfg")
hub = import_module(f"{NAME}.lib.hub")
Event: Any = hub.Event
_handler = import_module(f"{NAME}.controller.handler")
ofp_event = import_module(f"{NAME}.controller.ofp_event")
import_module(f"{NAME}.controller.ofp_handler")
_parsing = import_module(f"{NAME}.ofproto.ofproto_parser")
_parsers = {
    version: import_module(f"{NAME}.ofproto.{module}")
    for version, module in ((4, "ofproto_v1_3_parser"), (5, "ofproto_v1_4_parser"))
}

STREAM_BUFFER = 1 << 16
"""Bytes of a stream that the system holds for a peer who is slow to take them."""

Application: Any = _manager.RyuApp if NAME == "ryu" else _manager.OSKenApp
set_ev_cls = _handler.set_ev_cls
MAIN = _handler.MAIN_DISPATCHER
DEAD = _handler.DEAD_DISPATCHER

_OURS = {
    MessageType.BARRIER_REPLY,
    MessageType.BUNDLE_CONTROL,
    MessageType.EXPERIMENTER,
    MessageType.PACKET_IN,
    MessageType.PORT_STATUS,
    MessageType.REQUEST_FORWARD,
}
"""Types of messages that the framework is not shown."""
_OUR_MULTIPARTS = {
    Multipart.FLOW,
    Multipart.GROUP_DESC,
    Multipart.METER,
    Multipart.METER_CONFIG,
    Multipart.FLOW_MONITOR,
    Multipart.EXPERIMENTER,
}
"""The same for the parts of long answers, by what they are about."""
_SHARED = {MessageType.ERROR, MessageType.MULTIPART_REPLY}
"""Types of messages that both of us read: errors for the framework's log, and what other answers there are."""


def hear(deliver: Callable[[Any, bytes], None]) -> None:
    """Have every message that we read delivered, with the connection that it came by, as soon as it is there whole.

    The framework would parse it (47,000 rows a second, none of Open vSwitch's encapsulation actions, and what is
    strange to it is dropped), and queue it twice.
    """
    for version, parser in _parsers.items():
        _parsing.register_msg_parser(version)(_delivering(parser, deliver))


def _delivering(parser: Any, deliver: Callable[[Any, bytes], None]) -> Callable[..., Any]:
    def parse(datapath: Any, version: int, msg_type: int, msg_len: int, xid: int, buf: bytes) -> Any:
        whole = bytes(buf)
        is_ours = msg_type in _OURS or (
            msg_type == MessageType.MULTIPART_REPLY and int.from_bytes(whole[8:10], "big") in _OUR_MULTIPARTS
        )
        if is_ours or msg_type in _SHARED:
            deliver(datapath, whole)
        if is_ours:
            return None
        if msg_type == MessageType.MULTIPART_REPLY and int.from_bytes(whole[8:10], "big") == Multipart.PORT_DESC:
            # The framework takes a switch for ready when it has seen the last part of its list of ports, empty or not.
            listed = parser.OFPPortDescStatsReply(datapath, body=(), flags=int.from_bytes(whole[10:12], "big"))
            listed.set_headers(version, msg_type, msg_len, xid)
            listed.set_buf(whole)
            return listed
        return parser.msg_parser(datapath, version, msg_type, msg_len, xid, whole)

    return parse


def configure(settings: Settings) -> None:
    """Tell the framework where to listen for switches, unless its own options say so already."""
    wanted = {
        "ofp_listen_host": settings.openflow_host,
        "ofp_tcp_listen_port": settings.openflow_port,
        "ofp_ssl_listen_port": settings.openflow_port,
        "ctl_privkey": settings.openflow_key,
        "ctl_cert": settings.openflow_cert,
        "ca_certs": settings.openflow_ca,
    }
    for name, value in wanted.items():
        if value is not None:
            _cfg.CONF.set_default(name, value if isinstance(value, int) else str(value))


def listen(settings: Settings) -> Any:
    """A socket for the web service, over TLS where there is a certificate; the port for switches is tried as well.

    The framework listens for switches in a thread of its own, whose failure nobody would see. Raises Invalid.
    """
    tried, found = [], []
    for name, host, port in (
        ("OPENFLOW", settings.openflow_host, settings.openflow_port),
        ("API", settings.api_host, settings.api_port),
    ):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            # Left alone, eventlet shares a port with whoever else does, and each gets some of the connections.
            tried.append(eventlet.listen((host, port), family=family, reuse_port=False))
        except OSError as error:
            hint = f"end what listens there, or choose another by VNET_{name}_HOST and VNET_{name}_PORT"
            message = f"cannot listen on {host}, port {port}: {error.strerror or error}"
            found.append(Problem(f"VNET_{name}_PORT", message, hint))
    if found:
        raise Invalid(found)
    for_switches, listener = tried
    for_switches.close()
    if settings.api_cert is None:
        return listener
    return eventlet.wrap_ssl(listener, certfile=str(settings.api_cert), keyfile=str(settings.api_key), server_side=True)


def end_on_signals() -> None:
    """Have the program that is asked to end, by SIGTERM or SIGINT, close its applications before. To be called by the
    main green thread.

    Left alone, whichever green thread runs at that moment would be the one that ends.
    """
    main = eventlet.greenthread.getcurrent()

    def end(number: int, frame: object) -> None:
        reason = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(0)
        eventlet.hubs.get_hub().schedule_call_global(0, main.throw, reason)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def serve_http(application: Any, listener: Any) -> None:
    """Serve a WSGI application. Never returns."""
    # The server would log the whole way to where a peer broke off an answer.
    log = logging.getLogger(f"{__name__}.http")
    log.setLevel(logging.WARNING)
    wsgi.server(listener, application, log, log_output=False)


def as_stream(environ: dict[str, Any], seconds: float) -> None:
    """Have the parts of the answer to a request sent as they are made, and the connection of a peer cut that takes
    nothing of them for some seconds."""
    environ["eventlet.minimum_write_chunk_size"] = 1
    connection = environ["eventlet.input"].get_socket()
    connection.settimeout(seconds)
    # Left alone, the kernel would come to hold megabytes for whoever does not take them.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER)


def run() -> None:
    """Run the controller under os-ken until it is ended, as `ryu-manager ryu_vnet.app` does under Ryu."""
    _cfg.CONF(args=[], project="ryu-vnet")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    _manager.AppManager.run_apps(["ryu_vnet.app"])
