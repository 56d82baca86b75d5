"""The claims: which runs each needs, what it compares, and what it says that the comparison shows.

A claim is a declaration: adding one is adding an entry to `CLAIMS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

Expected = Literal["smaller", "larger"]

CAPACITY = 163_840
UPDATES_BETWEEN = 40


@dataclasses.dataclass(frozen=True)
class Setting:
    """One training setting: a comparison with a directory of its own, shared by all claims that name it."""

    flags: tuple[str, ...]
    """Of burnin_compare."""
    quick: tuple[str, ...] = ("--updates", "400", "--measure-every", "50", "--evaluation-episodes", "128")
    """Flags that a rough answer adds."""


LAGS = {"short-lag": 1500, "long-lag": 5500}
"""Updates: about what the appendix of R2D2 reports with 256 and with 64 actors."""


def lagging(env: Sequence[str], lag: int) -> Setting:
    """Runs in which replayed states are about `lag` learner updates old in the mean.

    Replay holds the steps of the last C / n * u updates, where C is its capacity and n steps are acted every u updates;
    what is drawn uniformly is half as old in the mean. Few environments act, so that an episode takes little of that
    time. All runs last for four times the longest lag, so that lags are compared after as many updates. The step size
    is constant, as R2D2's is, so that parameters go on moving. A rough answer has a tenth of each.
    """
    updates, steps = 4 * max(LAGS.values()), round(CAPACITY * UPDATES_BETWEEN / (2 * lag))
    rate = ("--learning-rate", "1e-3", "--final-learning-rate", "1e-3")
    lengths = ("--updates", str(updates), "--measure-every", str(updates // 20), "--new-steps", str(steps))
    quick = ("--updates", str(updates // 10), "--measure-every", str(updates // 200), "--evaluation-episodes", "128")
    smaller = ("--replay-capacity", str(CAPACITY // 10), "--initial-steps", "10240")
    return Setting((*env, *rate, *lengths, "--num-envs", "16"), (*quick, *smaller))


COUNT = ("--env", "BitStream/Count-v0")
WINDOW = ("--env", "BitStream/WindowCount-v0")
CONTROL = (*COUNT, "--env-kwargs", "modulo=4", "--objective", "q-learning", "--preset", "guess")

SETTINGS: Mapping[str, Setting] = {
    "count": Setting(COUNT),
    "window-count": Setting(WINDOW),
    "count-gradient": Setting((*COUNT, "--burn-in-gradient")),
    "window-count-gradient": Setting((*WINDOW, "--burn-in-gradient")),
    "count-for-reward": Setting(CONTROL),
    **{f"count-{name}": lagging(COUNT, lag) for name, lag in LAGS.items()},
}
"""Training settings by name, that of their directory."""


@dataclasses.dataclass(frozen=True)
class Side:
    """An initialization in a setting."""

    setting: str
    strategy: str

    def __str__(self) -> str:
        return f"{self.strategy} ({self.setting})"


@dataclasses.dataclass(frozen=True)
class Comparand:
    """A quantity of one side in relation to that of another, and what a claim expects of the ratio."""

    measure: str
    """A name of `measures.MEASURES`."""
    side: Side
    other: Side
    expected: Expected | None = None
    """What the claim says of the ratio side / other; None where it asks."""

    @property
    def label(self) -> str:
        """The two sides, as pictures and tables have them."""
        if self.side.setting == self.other.setting:
            return f"{self.side.strategy} / {self.other.strategy} ({self.side.setting})"
        return f"{self.side} / {self.other}"


@dataclasses.dataclass(frozen=True)
class Claim:
    """Something that is said of initializations, and the comparisons that settle it."""

    number: str
    name: str
    text: str
    about: str
    """The same in a few words."""
    source: str
    comparisons: tuple[Comparand, ...]
    limits: str
    """What these comparisons leave open, and what would be needed at the paper's scale."""


def pair(measure: str, setting: str, strategy: str, other: str, expected: Expected | None = None) -> Comparand:
    """Two initializations in one setting."""
    return Comparand(measure, Side(setting, strategy), Side(setting, other), expected)


def across(measure: str, strategy: str, setting: str, other: str, expected: Expected | None = None) -> Comparand:
    """One initialization in two settings."""
    return Comparand(measure, Side(setting, strategy), Side(other, strategy), expected)


def gains_by_lag(strategy: str) -> tuple[Comparand, ...]:
    """What an initialization gains over `stored` at each lag, and whether it gains more at the longer one."""
    return (
        *(pair(measure, f"count-{lag}", strategy, "stored", "smaller") for lag in LAGS for measure in OUTCOMES),
        *(
            across(f"{measure} over that of stored", strategy, "count-long-lag", "count-short-lag", "smaller")
            for measure in OUTCOMES
        ),
    )


PAPER = "Kapturowski et al., Recurrent Experience Replay in Distributed Reinforcement Learning, ICLR 2019"
SCALE = (
    "Bit streams, small networks and short training on targets (config.json has the settings) stand for DMLab, 512"
    " units and Q-learning: what depends on exploration or on bootstrapped targets is not seen here."
)
BOTH = ("count", "window-count")
OUTCOMES = ("ΔQ", "error")
MORE_LAG: tuple[tuple[str, Expected | None], ...] = (("age of states", None), ("ΔQ", "larger"))

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "1",
        "trained-burn-in",
        "Training l + m steps from the zero state is worse than l steps of burn-in and m trained ones.",
        "training the burn-in's steps is worse than burn-in",
        f"{PAPER}, section 3, informally: no figure shows it.",
        tuple(
            pair(measure, setting, "zero@40", "zero+20", "larger")
            for setting in BOTH
            for measure in ("error", "error at equal seconds")
        ),
        f"{SCALE} zero@40 and zero+20 draw the same fragments and process the same steps, so that after as many updates"
        " both data and processed steps are equal; what differs is which of these steps have a loss. Seconds were"
        " measured while other programs used the machine: where they disagree with steps, trust the steps. At the"
        " paper's scale: --preset r2d2 --strategies zero+40 zero@120 on a task with images.",
    ),
    Claim(
        "2",
        "burn-in-gradient",
        "Does backpropagation through the burn-in help, or does it destroy?",
        "a gradient through the burn-in",
        f"{PAPER}, section 3: burn-in only produces a start state; no run with a gradient through it is reported.",
        tuple(
            across("error", strategy, f"{setting}-gradient", setting)
            for setting in BOTH
            for strategy in ("zero+20", "stored+20")
        ),
        f"{SCALE} At the paper's scale: --preset r2d2 with and without --burn-in-gradient.",
    ),
    Claim(
        "3",
        "memory",
        "Agents that are trained from stored states use more memory than those trained from zero states.",
        "stored states teach agents to use more memory",
        f"{PAPER}, figure 5: returns of agents whose memory is cut at evaluation.",
        (
            *(
                pair(measure, setting, "zero", "stored", "smaller")
                for setting in BOTH
                for measure in ("memory", "loss by a cut")
            ),
            pair("memory", "count-for-reward", "zero", "stored", "smaller"),
        ),
        "The memory that an agent uses is estimated: the smallest number of steps from which on no cut costs more than"
        " the margin of its report (1 % of what was learned for errors, 5 % for returns) in the mean over episodes. The"
        " number in a comparison's own report is what its episodes prove, and may be larger. Bit streams and"
        " small networks (config.json has the settings) stand for DMLab and 512 units. Figure 5 cuts the memory of"
        " agents that act. Those of count-for-reward do, by Q-learning, but their actions change no observation. In"
        " control the same is measured at the end of every run of burnin_compare.",
    ),
    Claim(
        "4",
        "lag",
        "The longer states lie in replay, the more stale they are, and the more a burn-in gains over stored states.",
        "older stored states are more stale, and burn-in gains more over them",
        f"{PAPER}, section 3 and appendix: about 1500 updates with 256 actors and 5500 with 64. Fewer actors fill the"
        " same replay more slowly, so a lag that grows as actors get fewer is the age of what is replayed, not that of"
        " the actors' parameters.",
        (
            *(
                across(measure, "stored", "count-long-lag", "count-short-lag", expected)
                for measure, expected in MORE_LAG
            ),
            *gains_by_lag("stored+20"),
        ),
        f"{SCALE} A longer lag is made by acting less between updates, so its runs also see fewer episodes, as with"
        " fewer actors. The appendix itself could not be read where this was written; which quantity it reports follows"
        " from its numbers (see the README of experiments/claims).",
    ),
    Claim(
        "5",
        "refreshed",
        "Stored states that replay keeps up to date are better than those that it leaves alone, the more so the older"
        " these are.",
        "refreshed states are better than stored ones, the more so the older these are",
        "DreamerV3 (Hafner et al., 2023) starts replayed sequences from carries that are kept with them, and writes"
        " recomputed ones back (replay_context in its public code); TorchRL writes refreshed states of Dreamer back by"
        " update_if_present. Neither reports what it gains.",
        (
            *(
                comparand
                for setting in BOTH
                for comparand in (
                    *(pair(measure, setting, "refreshed", "stored", "smaller") for measure in OUTCOMES),
                    pair("time of an update", setting, "refreshed", "stored"),
                )
            ),
            *gains_by_lag("refreshed"),
        ),
        f"{SCALE} Refreshing reaches as far as replay draws: a fragment that is drawn seldom has a state that is old."
        " Times were measured while other programs used the machine.",
    ),
)
"""All claims."""


def chosen(names: Sequence[str]) -> tuple[Claim, ...]:
    """The claims with these numbers or names, in their order.

    Raises:
        ValueError: for one that does not exist, or comes twice.
    """
    known = {key: claim for claim in CLAIMS for key in (claim.number, claim.name)}
    for name in names:
        if name not in known:
            expected = ", ".join(f"{claim.number} ({claim.name})" for claim in CLAIMS)
            raise ValueError(f"claims: got {name!r}, expected some of {expected}")
    claims = [known[name] for name in names]
    if not claims or len(set(claims)) < len(claims):
        raise ValueError(f"claims: got {' '.join(names) or 'none'}, expected at least one, each once")
    return tuple(claim for claim in CLAIMS if claim in claims)


def strategies_of(claims: Sequence[Claim]) -> dict[str, tuple[str, ...]]:
    """The initializations that claims need, by setting."""
    needed: dict[str, dict[str, None]] = {}
    for claim in claims:
        for comparand in claim.comparisons:
            for side in (comparand.other, comparand.side):
                needed.setdefault(side.setting, {})[side.strategy] = None
    return {setting: tuple(strategies) for setting, strategies in needed.items()}
