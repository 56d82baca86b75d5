"""What users read, in full sentences: refusals on the terminal, and what reports say.

Other tests assert the setting, the value and the exit code of a message; its sentences stand here, in `messages.txt`
beside this file. `python -m tests.test_messages` writes it anew, for a review of the difference.
"""

from __future__ import annotations

import re
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from experiments import atlas, burnin_advisor, burnin_compare, counting, staleness
from experiments.burnin_advisor.results import overall
from experiments.burnin_compare.verdict import finding, verdict
from experiments.counting.article_errors import AgainstArticle, SeedRange, agreement
from r2d2_burnin import check
from r2d2_burnin.diagnostics.burn_in_measures import Advice
from r2d2_burnin.diagnostics.forgetting import Forgetting
from tests.common.commands import Main, run_command
from tests.common.comparisons import control_comparison, regression_comparison

FILE = Path(__file__).with_name("messages.txt")
COMMANDS: dict[str, Main] = {
    "compare": burnin_compare.main,
    "advise": burnin_advisor.main,
    "counting": counting.main,
    "staleness": staleness.main,
    "atlas": atlas.main,
    "check": check.main,
}
REFUSED = [
    "compare --strategies zero stord",
    "compare --strategies zero zero",
    "compare --strategies stored --reference learned",
    "compare --env Pendulum-v1",
    "compare --env-kwargs lenght=3",
    "compare --env-kwargs length",
    "compare --env-kwargs length=yes",
    "compare --env CartPole-v1 --objective regression",
    "compare --wrappers gymnasium.wrappers:Nothing",
    "compare --wrappers gymnasium.wrappers:FrameStackObservation",
    "compare --network nowhere:make",
    "compare --cell rnn",
    "compare --preset large",
    "compare --period 30",
    "compare --updates 0",
    "compare --seeds 0",
    "compare --discount 1.5 --env CartPole-v1",
    "compare --vectorization threads",
    "advise --tolerance 0",
    "advise --trained-with stord",
    "advise --episodes 15",
    "advise --checkpoint nowhere.npz",
    "advise --env-kwargs length=20 --sequence-length 20",
    "advise --env CartPole-v1 --max-episode-steps 4",
    "advise --updates 10",
    "counting --length 1",
    "counting --learning-rate 0",
    "staleness --strategies zero",
    "staleness --learning-rates -1",
    "atlas --tasks counting",
    "atlas --learning-rates 0.1 0.1",
    "atlas --reference stord",
    "atlas --flags updates",
    "check --episodes 0",
    "check --network nowhere",
]
"""Commands that cannot run, which they say before any work."""


def refusal(command: str) -> list[str]:
    """The exit code and the message of a command, without the box that some are printed in."""
    name, *flags = command.split()
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        ended = run_command(COMMANDS[name], flags if name == "check" else [*flags, "--out", str(out)])
        assert not out.exists(), command
    printed = (ended.stdout + ended.stderr).replace(str(out), "OUT")
    # What stands between two rules has lines as long as the terminal is wide: one paragraph.
    between_rules = re.split(r"[╭╰]?[─-]{5,}[╮╯]?", printed)
    paragraphs = printed.splitlines() if len(between_rules) == 1 else between_rules
    lines = [re.sub(r"[│\s]+", " ", paragraph).strip() for paragraph in paragraphs]
    return [f"exit code {ended.returncode}", *filter(None, lines)]


def advice(burn_in: int | None, longest: int) -> Advice:
    return Advice("", burn_in, longest, longest, 0, 0.05, [], Forgetting(None, None, None, []))


def errors(**means: float) -> dict[str, list[float]]:
    """Errors of four seeds, which scatter by some percent around these means."""
    generator = np.random.default_rng(0)
    return {
        name.replace("_", "+"): (mean * (1 + 0.03 * generator.normal(size=4))).tolist() for name, mean in means.items()
    }


SENTENCES: dict[str, Callable[[], list[str]]] = {
    "comparison: burn-in from zeros is worse than the exact state": lambda: report(
        **errors(zero=110.0, zero_20=40.0, stored=0.5, full=0.5)
    ),
    "comparison: no difference seen": lambda: report(**{"stored": [0.4, 0.6, 0.5], "full": [0.5, 0.45, 0.55]}),
    "comparison: a single seed": lambda: report(stored=[0.4], full=[0.5]),
    "comparison: nothing learned": lambda: report(**errors(zero=600.0, stored=610.0, full=605.0)),
    "comparison: a loss below its floor": lambda: verdict(
        regression_comparison(errors(zero=90.0, full=0.5), fresh={"zero": 90.0, "full": 0.5})
    ),
    "comparison: returns of a control task": lambda: verdict(
        control_comparison({"zero": [100.0, 110.0, 105.0], "full": [190.0, 195.0, 193.0]}, random=22.0)
    ),
    "comparison: returns no better than random actions": lambda: verdict(
        control_comparison({"zero": [20.0, 19.9, 20.1], "full": [20.1, 19.8, 20.0]}, random=22.0)
    ),
    "advice: the zero state is enough": lambda: [overall([advice(0, 9)]).sentence],
    "advice: a burn-in suffices": lambda: [overall([advice(0, 9), advice(4, 9)]).sentence],
    "advice: no burn-in is enough": lambda: [overall([advice(0, 9), advice(None, 7), advice(None, 12)]).sentence],
    "counting: within the article's range": lambda: agreement(
        [AgainstArticle("every-step", 20, SeedRange(1.0, 2.0, 5), (1.5, 0.5, 2.5, 1.0, 2.0))]
    ),
    "counting: outside the article's range": lambda: agreement(
        [AgainstArticle("every-step", 20, SeedRange(1.0, 2.0, 5), (3.0,) * 5)]
    ),
    "counting: too few seeds": lambda: agreement([AgainstArticle("every-step", 20, SeedRange(1.0, 2.0, 5), (9.0,))]),
}
"""What reports say of results that are given here."""


def report(**by_seed: list[float]) -> list[str]:
    comparison = regression_comparison(by_seed)
    return [finding(comparison), *verdict(comparison)]


MESSAGES: dict[str, Callable[[], list[str]]] = {
    **{command: lambda command=command: refusal(command) for command in REFUSED},
    **SENTENCES,
}


def section(name: str) -> str:
    """The section of a message in the file: its name, and its paragraphs in lines of at most 100 characters."""
    paragraphs = [
        textwrap.fill(text, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for text in MESSAGES[name]()
    ]
    return "\n".join([f"## {name}", *paragraphs])


def stored_sections() -> dict[str, str]:
    """The sections of the file by their names."""
    text = FILE.read_text(encoding="utf-8").rstrip("\n")
    return {part.splitlines()[0][3:]: part.rstrip("\n") for part in re.split(r"\n(?=## )", text)}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_those_of_the_file(name: str) -> None:
    assert section(name) == stored_sections()[name]


def test_the_file_has_no_other_messages() -> None:
    assert list(stored_sections()) == list(MESSAGES)


if __name__ == "__main__":
    FILE.write_text("\n\n".join(map(section, MESSAGES)) + "\n", encoding="utf-8")
