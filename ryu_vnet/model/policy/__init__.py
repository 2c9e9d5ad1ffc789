"""Policies: rules that say, by what an interface is and where, in which networks it is.

Values and functions over them: read `conditions` and `match`, then `rules`, then `checks`. Nothing here knows nodes,
networks or their store; what a rule may look at comes as `Traits`, and what it gives are names.
"""

from .checks import check
from .conditions import Traits
from .documents import policy_document, policy_from
from .match import Match
from .rules import Grant, Policy, Step, Verdict, evaluate, explain, in_order

__all__ = [
    "Grant",
    "Match",
    "Policy",
    "Step",
    "Traits",
    "Verdict",
    "check",
    "evaluate",
    "explain",
    "in_order",
    "policy_document",
    "policy_from",
]
