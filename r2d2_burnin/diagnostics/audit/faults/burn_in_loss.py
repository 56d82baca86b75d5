"""The loss counts steps of burn-in, whose states are those that burn-in is there to mend."""

from __future__ import annotations

import numpy as np

from r2d2_burnin.diagnostics.audit.facts import Facts
from r2d2_burnin.diagnostics.audit.faults.protocol import DirectFault
from r2d2_burnin.diagnostics.audit.result import Verdict


def _find(facts: Facts, name: str, title: str) -> Verdict:
    sequences = facts.sequences
    burn_in, loss = sequences.burn_in, sequences.loss_mask
    missing = [array for array, value in (("burn_in", burn_in), ("loss_mask", loss)) if value is None]
    if burn_in == 0:
        return facts.ruled_out(name, title, "There is no burn-in.")
    if missing or burn_in is None:
        return facts.undecided(name, title, "It is not known which steps the loss counts.", " with ".join(missing))
    wrong = []
    for rows in sequences.rows_in_pieces(sequences.mask):
        mask = np.asarray(sequences.mask[rows], np.bool_)
        first = np.asarray(sequences.is_first[rows], np.bool_)
        # From an episode's first step on the state is right, and these steps have to be trained (R2D2's own never are).
        exact = np.logical_or.accumulate(first, 1)
        counted = (np.asarray(loss[rows]) != 0) & mask & ~exact
        wrong.append(rows.start + np.flatnonzero(counted[:, :burn_in].any(1)))
    found = np.concatenate(wrong)
    if not len(found):
        return facts.ruled_out(
            name, title, f"No step of the burn-in of {burn_in} counts, but after an episode's start."
        )
    reason = f"The loss counts steps among the first {burn_in}, with states that burn-in has not mended yet."
    return facts.found(name, title, found, reason, spoils=False)


FAULT = DirectFault("burn_in_in_loss", "Burn-in steps are counted in the loss", _find)
