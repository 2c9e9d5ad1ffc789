"""The laboratory: a topology file built from real namespaces, real frames and a real Open vSwitch.

It knows the file, Mininet and the wire. It must not know ryu_vnet: what it finds out is a second opinion, and the
controller is a program that it starts and kills like any other.
"""
