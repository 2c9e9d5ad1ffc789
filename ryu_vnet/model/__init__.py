"""What tenants asked for and what they were granted: networks, nodes, interfaces, tags, labels.

Values and one container of them. Nothing here knows a switch, a path, a flow table, a clock or a disk.
"""
