"""`python -m ryu_vnet` is `vnet`."""

from .cli import main

main(prog_name="vnet")
