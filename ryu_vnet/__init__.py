"""Private networks for the tenants of a data centre, over plain Open vSwitch.

Read the packages in the order in which they may import each other: `model`, `fabric`, `compiler`, then `openflow` and
`verify` beside each other; `store` and `services` know `model` only; `managers` uses all of these; `app`, `api` and
`cli` stand outermost. Only `framework` knows whether the OpenFlow framework is Ryu or os-ken.
"""
