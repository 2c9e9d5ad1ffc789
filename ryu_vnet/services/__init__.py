"""What the controller says to machines itself, as bytes: ARP, neighbour discovery, DHCP, ICMP errors.

Pure functions from values to frames and back, one protocol a file. Nothing here knows networks, switches or requests.
"""
