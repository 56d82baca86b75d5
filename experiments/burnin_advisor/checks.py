"""What can be known of an environment before anything is trained: whether a burn-in can be judged at all."""

from __future__ import annotations

from experiments.burnin_advisor.settings import Task
from r2d2_burnin.diagnostics.burn_in_measures import FEWEST_FRAGMENTS
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.settings import EnvironmentSettings


def check_task(task: Task, *, trains: bool = True) -> None:
    """Look at the environment before anything is recorded, and trained if it `trains`.

    Raises:
        ValueError: for episodes that are certainly too short to judge any burn-in, and for a training of one round,
            which leaves no older parameters that stored states could come from.
    """
    training = task.training
    if trains and task.checkpoint is None and training.updates <= training.updates_between:
        raise ValueError(
            f"updates: got {training.updates}, expected more than updates_between ({training.updates_between}): states"
            f" are stored with the parameters of a round before; the nearest is {training.updates_between + 1}"
        )
    length, why = longest_episode(training.environment, training.replay.sequence_length)
    if length is None:
        return
    got = f"sequence_length: got {training.replay.sequence_length}, but episodes of {training.environment.env} {why}"
    if length == 1:
        raise ValueError(f"{got}: a network needs no memory there, and no burn-in")
    period = min(training.replay.period, length - 1)
    raise ValueError(
        f"{got}, so that every fragment begins an episode and no burn-in is needed; expected less than {length}, the"
        f" nearest is --sequence-length {length - 1} --period {period}"
    )


def longest_episode(environment: EnvironmentSettings, enough: int) -> tuple[int | None, str]:
    """The most steps that an episode can have, and where that is known from; None where it is not, or above `enough`.

    It is known where the environment states `max_episode_steps`, and where several episodes of random actions all have
    the same length. Random episodes of different lengths say nothing of those of a trained agent.
    """
    env = environments.make(environment)
    try:
        env.action_space.seed(0)
        lengths = set()
        for episode in range(FEWEST_FRAGMENTS):
            env.reset(seed=episode)
            length, ended = 0, False
            while not ended:
                if length == enough:
                    return None, ""  # longer than that
                _, _, terminated, truncated, _ = env.step(env.action_space.sample())
                length, ended = length + 1, terminated or truncated
            lengths.add(length)
        stated = None if env.spec is None else env.spec.max_episode_steps
        if stated is not None and stated <= enough:
            return stated, f"have at most {stated} steps (max_episode_steps)"
        if len(lengths) == 1:
            length = lengths.pop()
            return length, f"have {length} steps (so had all of {FEWEST_FRAGMENTS} with random actions)"
        return None, ""
    except EnvironmentFault as error:
        raise ValueError(str(error)) from None
    finally:
        env.close()
