"""The test bench: as many real switches as wanted on one machine, something for them to do, and a measure to hold
against.

It knows Open vSwitch, the language of requests and the OpenFlow codec. It must not know how the controller works: that
is measured from outside, like any other program.
"""
