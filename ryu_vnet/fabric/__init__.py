"""The physical network: segments, switches, links, ports, and the paths that follow from them.

What was declared, what the switches report of their ports, and pure functions over both. Nothing here knows a
flow table, or how anything is configured.
"""
