"""Audit what a replay returned: which faults its stored states have, and how stale they are.

False alarms: of 400 correct replays that differ in staleness, padding, layers, sizes and arrays given, none had a fault
found (at most 0.75 % of such replays, one-sided 95 % bound). `python -m pytest -m long -k hardly_ever
tests/r2d2_burnin/test_audit.py` audits 100 such replays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from r2d2_burnin.diagnostics.audit.facts import STATES_NEED, Facts
from r2d2_burnin.diagnostics.audit.faults import FAULTS
from r2d2_burnin.diagnostics.audit.faults.transposed import with_axes_in_order
from r2d2_burnin.diagnostics.audit.layout import read_layout
from r2d2_burnin.diagnostics.audit.recorded import read_sequences
from r2d2_burnin.diagnostics.audit.result import AuditResult, Staleness
from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences
from r2d2_burnin.diagnostics.audit.staleness import FEWEST, measure_staleness
from r2d2_burnin.diagnostics.audit.unrolling import Unroller, check_memory
from r2d2_burnin.networks.adapters import adapt


def audit_replay(
    network: Any,
    sequences: ReplaySequences | Mapping[str, Any] | str | Path,
    *,
    batch_size: int = 128,
    tolerance: float = 0.05,
    seed: int = 0,
    progress: bool = False,
) -> AuditResult:
    """Find the faults of what a replay returned, and measure what none of them explains: staleness.

    Args:
        network: with today's parameters, of any framework that `r2d2_burnin.networks.adapters.adapt` takes.
        sequences: what the replay returned: a `ReplaySequences`, its arrays by name (`observations` [N, L, F], `state`
            or `state/0`, .. [N, ..], `is_first` and `mask` [N, L], optionally `outputs`, `episode`, `first_step`,
            `age`, `burn_in`, `loss_mask`, `is_last`), or the path of a NumPy archive or a folder that has them, or of a
            file of `save_episodes`, whose episodes are cut into sequences.
        batch_size: sequences of a call of the network, at most.
        tolerance: largest ΔQ that a burn-in may leave.
        seed: of the random subsets on which hypotheses are tried.
        progress: show a progress bar.

    Raises:
        ValueError: for arrays that are missing, disagree or have NaN, and for a network that does not fit them or keeps
            a hidden state between calls. The message names the array or the sequence.
    """
    for name, value in (("batch_size", batch_size), ("tolerance", tolerance)):
        if not value > 0:
            raise ValueError(f"{name}: got {value}, expected more than 0")
    if isinstance(sequences, str | Path):
        sequences = read_sequences(Path(sequences))
    elif not isinstance(sequences, ReplaySequences):
        sequences = ReplaySequences.from_arrays(sequences)
    callable_network = adapt(network)
    sequences, wrong_axes = with_axes_in_order(sequences, callable_network.initial_state(1))
    with tqdm(total=len(FAULTS) + 2, disable=not progress, unit="check", desc="audit") as bar:
        layout = read_layout(sequences)
        unroller = Unroller(callable_network, sequences, layout, batch_size, lambda steps: bar.set_postfix(steps=steps))
        check_memory(unroller, layout)
        facts = Facts(sequences, layout, unroller, [fault.hypotheses for fault in FAULTS], seed, wrong_axes)
        bar.update()
        verdicts = []
        for fault in FAULTS:
            verdicts.append(fault.verdict(facts))
            bar.update()
        staleness = measure_staleness(facts, tolerance)
        bar.update()
    return AuditResult(
        sequences=len(sequences),
        length=sequences.length,
        verdicts=tuple(verdicts),
        staleness=staleness,
        notes=tuple(_notes(facts, staleness)),
        steps_unrolled=unroller.steps,
        unjudged=len(facts.unjudged),
    )


def _notes(facts: Facts, staleness: Staleness | None) -> Iterator[str]:
    """Which states could not be judged, and what limits the measure of staleness."""
    sequences, unjudged = facts.sequences, len(facts.unjudged)
    if unjudged:
        yield (
            f"Whether the stored states of {unjudged} of {len(sequences)} sequences are right, these arrays do not"
            f" show. What would show it: {facts.more(STATES_NEED)}."
        )
    if staleness is None:
        known = (
            "a state that could be judged and that no fault explains" if unjudged else "a state that no fault explains"
        )
        yield (
            "Staleness was not measured, and no burn-in is advised: fewer than"
            f" {FEWEST} sequences go on inside an episode from {known}."
        )
        return
    if len(facts.spoilt):
        yield "Staleness and burn-in were measured on sequences in which no fault was found."
    if staleness.reference == "stored":
        yield (
            "How stale the stored states are, these arrays do not show. What would show it: episode with first_step, of"
            " sequences that cover their episodes from the first step."
        )
    elif sequences.age is None:
        yield "How staleness grows with age, these arrays do not show. What would show it: age."
