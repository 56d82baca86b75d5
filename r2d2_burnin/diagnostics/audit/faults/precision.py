"""Stored states have been rounded: to float16, bfloat16, 8 bits, or to integers."""

from __future__ import annotations

from r2d2_burnin.diagnostics.audit.facts import Facts
from r2d2_burnin.diagnostics.audit.faults.protocol import DirectFault
from r2d2_burnin.diagnostics.audit.result import Verdict


def _find(facts: Facts, name: str, title: str) -> Verdict:
    precision = facts.precision
    if precision.name is None:
        return facts.ruled_out(name, title, "Stored states have the precision of the network's own.")
    return facts.found(name, title, precision.rows, precision.reason, spoils=False)


FAULT = DirectFault("coarse_dtype", "Stored states have a dtype that loses precision", _find)
