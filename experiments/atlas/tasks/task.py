"""What the atlas knows of a task: how it is run, and for published ones what is reachable and what others reached."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class PublishedResult:
    """A return that others have published for a task, in the task's own unit."""

    agent: str
    """Model and algorithm: 'GRU, PPO'."""
    best_epoch: float
    """Mean over trials of the mean return in the best epoch of training (POPGym's MMER)."""
    trials: int
    environment_steps: int
    """Of a trial."""
    source: str
    is_checked: bool
    """Whether the figure was compared with the source itself; if not, `note` says where it is from."""
    note: str = ""

    @property
    def algorithm(self) -> str:
        """How the agent was trained, whatever its model."""
        return self.agent.rpartition(", ")[2]

    def __str__(self) -> str:
        return f"{self.best_epoch:.3f}" + ("" if self.is_checked else " (not checked)")


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What is reachable on a published task, and what others reached."""

    best_return: float
    """The return that no policy exceeds on average; where it is not attained, the smallest bound that is known."""
    random_return: float
    """The return of actions drawn uniformly."""
    reachable: str
    """Where the two are from."""
    version: str
    """How the task as it is installed differs from the published one."""
    results: tuple[PublishedResult, ...] = ()

    def share(self, episode_return: float) -> float:
        """A return as a share of what is reachable: 0 is what random actions earn, 1 the best return."""
        return (episode_return - self.random_return) / (self.best_return - self.random_return)


@dataclasses.dataclass(frozen=True)
class Task:
    """A task of the atlas."""

    name: str
    """As --tasks has it."""
    flags: tuple[str, ...]
    """Flags of burnin_compare."""
    updates: int | None = None
    """Learner updates, if not burnin_compare's default; a quick answer has fewer."""
    package: str | None = None
    """The package of the extra envs-extra that it needs."""
    is_slow: bool = False
    """Whether a run takes more than five minutes of one core."""
    benchmark: Benchmark | None = None
    """None: not a published task, or one whose reachable return is not known."""
