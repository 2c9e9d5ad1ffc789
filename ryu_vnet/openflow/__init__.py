"""Rows and groups as OpenFlow bytes, and back; the messages that carry them, and what a switch answers.

Bytes in, values out, and the other way round: this room knows the wire formats of OpenFlow 1.3 and 1.4 as Open
vSwitch speaks them, and what rows are. It must not know sockets, frameworks, switches, or why a row exists.
"""
