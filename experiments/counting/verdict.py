"""What the counting studies found, in sentences."""

from __future__ import annotations

import numpy as np

from experiments.counting.article_errors import agreement, compare
from experiments.counting.records import CarriedState, TrainedStudy
from experiments.counting.results import FLOAT_PRECISION, StudyResults, accepted
from experiments.counting.studies import best_constant_error
from experiments.counting.tables import band, split_errors
from r2d2_burnin.runtime.formatting import number


def verdict(results: StudyResults) -> list[str]:
    """What the studies found."""
    trained, length = results.trained, results.settings.length
    sentences = [*not_learned(trained, length), *trained_errors(trained, length)]
    sentences += agreement(compare(trained, results.settings))
    if results.carried:
        sentences += carried_sentences(results.carried)
    return sentences


def not_learned(trained: dict[str, list[TrainedStudy]], length: int) -> list[str]:
    """One sentence for each of the first two studies whose target some seed has not learned."""
    sentences = []
    for name, studies in trained.items():
        constant = best_constant_error(name, length)
        failed = sum(not study.curves.validation[-1] < constant for study in studies)
        if failed:
            sentences.append(
                f"{name}: NOT LEARNED by {failed} of {len(studies)} seeds, whose validation error is not below that of"
                f" the best constant answer, {number(constant)}."
            )
    return sentences


def trained_errors(trained: dict[str, list[TrainedStudy]], length: int) -> list[str]:
    """The errors of the first two studies by sequence length."""
    sentences = []
    if studies := trained.get("last-step"):
        errors = np.array([study.error_at_length for study in studies])
        worst = int(np.median(errors[:, :length], 0).argmax())
        sentences.append(
            f"last-step, where the last of {length} steps alone is trained: squared error at the last step"
            f" {band(errors[:, length - 1])} at length {length}, and {band(errors[:, worst])} at length {worst + 1},"
            " the worst up to there."
        )
    if studies := trained.get("every-step"):
        errors = np.array([study.error_at_length for study in studies])
        last = np.array([study.error_at_last_step for study in studies])
        mean, alone = (
            ", ".join(f"{band(values[:, n - 1])} at length {n}" for n in (length, 3 * length // 2, 2 * length))
            for values in (errors, last)
        )
        sentences.append(f"every-step: squared error, mean over all steps {mean}; at the last step alone {alone}.")
    return sentences


def answer(results: StudyResults) -> str:
    """What the studies found, in one sentence."""
    trained, length = results.trained, results.settings.length
    texts = []
    for name, how in (("last-step", "trained on the last step alone"), ("every-step", "trained on every step")):
        if studies := trained.get(name):
            worst = np.median([max(study.error_at_last_step[:length]) for study in studies])
            texts.append(f"{number(float(worst))} {how}")
    clauses = [f"largest squared error on the way to {length} bits: {', '.join(texts)}"] if texts else []
    if results.carried:
        clauses.append(f"carrying a state over a split {carried_change(results.carried)}")
    return f"Counting ones: {'; '.join(clauses)}" if clauses else "Counting ones: no seed has finished"


def carried_change(carried: list[CarriedState]) -> str:
    """What splitting a sequence and carrying the state on does to counts."""
    difference = max(study.carried_difference for study in carried)
    return "changes no count" if difference < FLOAT_PRECISION else f"changes counts by up to {number(difference)}"


def carried_sentences(carried: list[CarriedState]) -> list[str]:
    """Whether the third study is accepted, and what becomes of the error after a split."""
    good = sum(map(accepted, carried))
    word = "ACCEPTED" if good == len(carried) else "NOT ACCEPTED"
    means = split_errors(carried)
    ages = "; ".join(f"{name} {value}" for name, value in means.items() if name not in ("unsplit", "carried", "zero"))
    return [
        f"carried-state: {word}, every count rounds right for {good} of {len(carried)} seeds. Splitting a sequence"
        f" and carrying the state on {carried_change(carried)}.",
        f"After a split, mean over all places: error {means['carried']} with the carried state,"
        f" {means['zero']} with a zero state; {ages}.",
    ]
