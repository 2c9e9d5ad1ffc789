"""The two managers: the System Manager, which takes requests and owns the state, and the communication manager,
one for each switch, which brings a table onto it.

They use the model, the fabric, the compiler, the codec and the store. They know no framework, no HTTP, no sockets.
"""
