"""The check of the state: finds what must not be, says why that matters, and mends what can be judged.

`documents` lists the kinds of documents, `needs` says what follows from intent alone, and checks compare: they know a
draft of the model and a fabric. `online` looks at a running System, `offline` at a store that nobody uses.
"""
