"""The report on the claims."""

from __future__ import annotations

from pathlib import Path

from experiments.burnin_compare.verdict import ALARMS, EQUAL_ERRORS, verdict
from experiments.claims import plots
from experiments.claims.results import ClaimResults, summary_table, table
from experiments.common.report import NextStep, Report, Section
from experiments.common.statistics import LEVEL

HOW_TO_READ = (
    "A ratio below 1 says that the first one has the smaller quantity. Ratios are geometric means over seeds, tested by"
    f" paired t-tests of their logarithms with Holm's correction over all comparisons of the report, at {LEVEL:.0%};"
    " the intervals are as wide as these tests ask for. Costs, and ages of states, are measured alone and not tested.",
    "'No difference seen' does not mean equal: equal within the margin is said where the whole interval lies within a"
    f" factor of {EQUAL_ERRORS:g}.",
    "ΔQ is measured against the exact state, at the first trained step. That of an initialization with more trained"
    " steps is at another step, so it is compared with nothing here. Error: over whole fresh episodes, the same"
    " quantity for every initialization.",
)

WORDS = {
    "as claimed, the opposite": "What a paired test over seeds says, with Holm's correction over all comparisons.",
    "no difference seen": "The test carries no direction; this is not 'equal'.",
    "equal within the margin": f"The whole interval lies within a factor of {EQUAL_ERRORS:g}.",
    "measured alone": "Costs, and ages of states: not tested.",
    "zero@40": "40 trained steps in each fragment, behind the @; without it, as many as --sequence-length says.",
    "ΔQ": "The norm of the difference between the outputs from the state tried and from the exact one, in relation to"
    " the size of the outputs (Kapturowski et al., ICLR 2019, section 3).",
}
"""What the words of the report mean."""


def report(results: ClaimResults, out: Path) -> Report:
    """The report on the claims; draws its picture in the directory `out`."""
    conclusions = [results.conclusion(claim) for claim in results.claims]
    alarms = [
        f"{name}: {sentence}"
        for name, comparison in results.comparisons.items()
        for sentence in verdict(comparison)
        if sentence.startswith(ALARMS)
    ]
    measured = any(finding.contrast.seeds for finding in results.findings)
    picture = plots.draw(results, out / "claims.png") if measured else None
    sections = []
    for claim in results.claims:
        findings = results.of(claim)
        sections.append(
            Section(
                f"Claim {claim.number}: {claim.text}",
                [f"Source: {claim.source}", *(finding.sentence for finding in findings), f"Limits: {claim.limits}"],
                table=table(findings),
            )
        )
    sections.append(Section("How to read it", HOW_TO_READ))
    return Report(
        results.answer,
        sections,
        [*conclusions, *alarms],
        alarms,
        picture=picture,
        words=WORDS,
        table=summary_table(results),
        next_step=NextStep("to try the claims with another cell", ("--flags", "cell=gru"), elsewhere=True),
    )
