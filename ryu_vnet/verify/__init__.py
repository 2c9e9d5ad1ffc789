"""What compiled tables do to frames: a simulator with Open vSwitch's semantics, and traces that say why.

It takes tables, wires and a frame as values and returns values. It knows rows and fields of the compiler; it must not
know the model behind them, OpenFlow's bytes, sockets or files.
"""

from __future__ import annotations
