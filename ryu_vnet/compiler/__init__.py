"""Intent to flow tables, purely: a model and a fabric go in, one table per switch comes out.

The pipeline is declared in `pipeline`, the words for rows in `rows`. Each subject (a switch, a network, an
interface) has its own rows, so that a change costs its subjects and no more. No bytes, no sockets, no clock here.
"""
