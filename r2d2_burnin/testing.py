"""State-equivalence checks that users run on their own network, in the manner of Gymnasium's `check_env`.

In a test of your own, of a network of any framework (see `r2d2_burnin.networks.adapters`):

    network = make_my_network()
    check_state_equivalence(network, record_episodes(network, "CartPole-v1", count=4))

Networks of other frameworks than TensorFlow are checked and recorded without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.policies import Act
from r2d2_burnin.data import Episode
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.faults import TrainingDiverged
from r2d2_burnin.networks.adapters import (
    AnyNetwork,
    CallableNetwork,
    FaultyNetwork,
    UnfitNetwork,
    adapt,
    is_recurrent_network,
)
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.runtime import nests
from r2d2_burnin.runtime.compiled import Compiled
from r2d2_burnin.settings import EnvironmentSettings

RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""Differences that float32 explains: of two orders of the same sums, over the steps of an episode."""

EPSILONS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""Spacing of the numbers from 1 on, of floats that are coarser than float32."""

LONGEST = 40
"""Steps of an episode that are checked; faults of a state show in the first few."""


class StateEquivalenceError(AssertionError):
    """A network's recurrent state is not what replay needs it to be; the message names every fault found."""


class Stepping:
    """A `CallableNetwork` with the step that a recurrent network has: an unroll of one step."""

    def __init__(self, network: CallableNetwork) -> None:
        self.initial_state = network.initial_state
        self.unroll = network.unroll

    def step(self, observations: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Outputs `[B, A]` and the new state from observations `[B, F]`."""
        outputs, state = self.unroll(observations[:, None], state)
        return outputs[:, 0], state


def check_state_equivalence(
    network: AnyNetwork,
    episodes: Sequence[Episode | np.ndarray],
    *,
    inputs: InputSpace | None = None,
) -> None:
    """Check that a network's state is the same however it is reached.

    That masked padding leaves the state untouched, and that XLA can compile an unroll, is checked of networks that can
    be trained here (`RecurrentNetwork`); others have no mask.

    Args:
        network: what is checked: a `RecurrentNetwork`, or whatever `r2d2_burnin.networks.adapters.adapt` takes.
        episodes: recorded ones, or arrays `[L, F]` of inputs. Recorded states and outputs are compared too, so record
            with the parameters that the network still has.
        inputs: the space of the network's inputs; by default the observation alone.

    Raises:
        StateEquivalenceError: naming every fault that was found.
        ValueError: without any episode.
    """
    if not episodes:
        raise ValueError("episodes: got none, expected at least one")
    sequences = [_inputs_of(episode, inputs)[:LONGEST] for episode in episodes]
    recorded = [(e, x) for e, x in zip(episodes, sequences, strict=True) if isinstance(e, Episode)]
    checks = [_batch_independence, _step_against_unroll, _chunks]
    try:
        if is_recurrent_network(network):
            checks += [_padding, _compilation]
        else:
            network = Stepping(adapt(network))
        # A fault of one group makes the checks of the next meaningless.
        faults = (
            list(_state_nest(network, sequences))
            or list(_finite(network, sequences))
            or list(_own_memory(network, sequences))
        )
        if not faults:
            for check in checks:
                faults += list(check(network, sequences))
            faults += _recorded(network, recorded)
    except UnfitNetwork as error:
        raise StateEquivalenceError(str(error)) from None
    if faults:
        raise StateEquivalenceError("\n".join(faults))


def record_episodes(
    network: AnyNetwork,
    env: str | EnvironmentSettings,
    *,
    count: int,
    inputs: InputSpace | None = None,
    num_envs: int = 2,
    seed: int = 0,
    act: Act | None = None,
    longest: int | None = None,
) -> list[Episode]:
    """Record `count` whole episodes of a network that acts in an environment: a random sample of its episodes.

    How many episodes each of the environments gives is decided beforehand, whatever their lengths: taking those that
    end first would prefer short ones. They are returned environment by environment. Recordings of different seeds
    share no environment's seed, which Gymnasium counts up from the first environment's one.

    Args:
        network: acts, with its present parameters, whatever its framework.
        env: the environment's id or settings.
        count: episodes.
        inputs: what the network sees of a step; by default the observation alone.
        num_envs: environments that are stepped at once, at most.
        seed: of the environments.
        act: chooses actions from outputs; by default that of the largest output.
        longest: steps after which an episode that has not ended is an error.

    Raises:
        ValueError: for a count or num_envs below 1, an environment or a network that cannot be used or is not finite.
        EnvironmentFault: when the environment raises, or an episode is longer than `longest`.
    """
    for name, value in (("count", count), ("num_envs", num_envs)):
        if value < 1:
            raise ValueError(f"{name}: got {value}, expected at least 1")
    settings = EnvironmentSettings(env) if isinstance(env, str) else env
    shares = [len(range(i, count, num_envs)) for i in range(min(num_envs, count))]
    vector = environments.make_vector(settings, len(shares))
    choices = spaces.actions(vector.single_action_space)

    def largest(outputs: np.ndarray) -> np.ndarray:
        return np.asarray(np.argmax(outputs, -1) % choices)

    # Spawned: the words of SeedSequence(seed) itself are those that training takes. Environments take 31 bits.
    base = int(np.random.SeedSequence(seed).spawn(1)[0].generate_state(1)[0] >> 1)
    failed = True
    try:
        actor = Actor(
            vector,
            network,
            act or largest,
            seed=base,
            inputs=inputs,
            longest=longest,
            step_timeout=settings.env_timeout,
        )
        recorded = _first_episodes(actor, shares)
        failed = False
    finally:
        environments.close(vector, at_once=failed)
    return recorded


def _first_episodes(actor: Actor, shares: Sequence[int]) -> list[Episode]:
    """The first `shares` [N] episodes of each of the actor's N environments."""
    recorded: list[list[Episode]] = [[] for _ in shares]
    try:
        for episode in actor.episodes():
            mine = recorded[episode.environment]
            if len(mine) < shares[episode.environment]:
                mine.append(episode)
                if sum(map(len, recorded)) == sum(shares):
                    break
    except TrainingDiverged:  # whose message is about training
        raise FaultyNetwork(
            "network: finite: outputs are not finite (NaN or infinity) where the network acts, expected finite numbers"
        ) from None
    return list(itertools.chain(*recorded))


def _inputs_of(episode: Episode | np.ndarray, inputs: InputSpace | None) -> np.ndarray:
    if isinstance(episode, np.ndarray):
        return np.asarray(episode, np.float32)
    return np.asarray(episode.observations, np.float32) if inputs is None else inputs.of_episode(episode)


def _state_nest(network: RecurrentNetwork, sequences: list[np.ndarray]) -> Iterator[str]:
    """The state's nest: arrays with the batch as first axis, and the same ones after every step."""
    expected = None
    for batch in (1, 3):
        x = np.repeat(sequences[0][None, :2], batch, 0)
        state = network.initial_state(batch)
        shapes = [tuple(leaf.shape) for leaf in nests.flatten(state)]
        wrong = [shape for shape in shapes if not shape or shape[0] != batch]
        if wrong or not shapes:
            yield (
                f"state nest: initial_state({batch}) has arrays of shapes {shapes}, expected the batch ({batch}) as the"
                " first axis of each"
            )
            return
        without_batch = [shape[1:] for shape in shapes]
        if expected not in (None, without_batch):
            yield f"state nest: initial_state has arrays {expected} for one example and {without_batch} for {batch}"
        expected = without_batch
        reached = {"step": network.step(x[:, 0], state)[1], "unroll": network.unroll(x, state)[1]}
        for name, after in reached.items():
            if (outline := _outline(after)) != (nest := _outline(state)):
                structures = f"a state of another structure than initial_state's ({outline}, not {nest})"
                yield f"state nest: {name} returns {structures}"
                continue
            got = [(leaf.shape, leaf.dtype.name) for leaf in map(np.asarray, nests.flatten(after))]
            like = [(leaf.shape, leaf.dtype.name) for leaf in map(np.asarray, nests.flatten(state))]
            if got != like:
                yield f"state nest: {name} returns arrays {got}, expected those of initial_state, {like}"


def _outline(nest: Any) -> str:
    """The containers of a nest, a dot for each array."""
    if isinstance(nest, dict):
        return "{" + ", ".join(f"{key!r}: {_outline(nest[key])}" for key in sorted(nest)) + "}"
    if isinstance(nest, tuple | list):
        parts = ", ".join(map(_outline, nest))
        fields = type(nest).__name__ if hasattr(nest, "_fields") else ""
        return f"[{parts}]" if isinstance(nest, list) else f"{fields}({parts})"
    return "."


def _finite(network: RecurrentNetwork, sequences: list[np.ndarray]) -> Iterator[str]:
    """Outputs and states are numbers."""
    for x in sequences:
        outputs, state = network.unroll(x[None], network.initial_state(1))
        given = {"outputs": outputs} | {f"state/{i}": leaf for i, leaf in enumerate(nests.flatten(state))}
        wrong = [name for name, array in given.items() if not np.isfinite(np.asarray(array)).all()]
        if wrong:
            yield f"finite: {', '.join(wrong)} after {len(x)} steps of finite inputs are not finite (NaN or infinity)"
            return


def _own_memory(network: RecurrentNetwork, sequences: list[np.ndarray]) -> Iterator[str]:
    """Nothing but the state that is passed in connects two calls."""
    x = sequences[0][None]
    before = network.initial_state(1)
    first, last = network.unroll(x, before)
    network.step(x[:, 0], last)
    after = network.initial_state(1)
    if difference := _difference(before, after):
        yield (
            f"reset: the state is not reset at an episode's start: initial_state differs by {difference:.3g} once the"
            " network has processed an episode"
        )
        return
    again, _ = network.unroll(x, before)
    if difference := _difference(first, again):
        yield (
            f"repeat: the same steps from the same state give outputs that differ by {difference:.3g} the second time:"
            " dropout or another random layer is left on, or the network keeps a state of its own between calls"
        )


def _batch_independence(network: RecurrentNetwork, sequences: list[np.ndarray]) -> Iterator[str]:
    """An example's outputs and state do not depend on who else is in the batch."""
    x = sequences[0]
    generator = np.random.default_rng(0)
    others = [x + generator.normal(size=x.shape).astype(np.float32), np.zeros_like(x)]
    alone = network.unroll(x[None], network.initial_state(1))
    together = network.unroll(np.stack([x, *others]), network.initial_state(3))
    if difference := _difference(alone, _first(together)):
        yield (
            f"batch: an example's outputs and state depend on the rest of its batch (they differ by {difference:.3g}):"
            " batch normalization in training mode, or a mean over the batch"
        )


def _step_against_unroll(network: RecurrentNetwork, sequences: list[np.ndarray]) -> Iterator[str]:
    """Step by step and at once are the same."""
    for x in sequences:
        whole, last = network.unroll(x[None], network.initial_state(1))
        state, outputs = network.initial_state(1), []
        for t in range(len(x)):
            output, state = network.step(x[None, t], state)
            outputs.append(output)
        if difference := _difference((whole, last), (np.stack([np.asarray(output) for output in outputs], 1), state)):
            yield f"step against unroll: step by step, {len(x)} steps differ by {difference:.3g} from their unroll"
            return


def _chunks(network: RecurrentNetwork, sequences: list[np.ndarray]) -> Iterator[str]:
    """An unroll in two parts with the state carried is the whole one."""
    for x in sequences:
        if len(x) < 2:
            continue
        half = len(x) // 2
        whole = network.unroll(x[None], network.initial_state(1))
        one, state = network.unroll(x[None, :half], network.initial_state(1))
        two, last = network.unroll(x[None, half:], state)
        if difference := _difference(whole, (np.concatenate([one, two], 1), last)):
            yield f"chunks: an unroll split after step {half} with its state carried differs by {difference:.3g}"
            return


def _padding(network: RecurrentNetwork, sequences: list[np.ndarray]) -> Iterator[str]:
    """The state passes through masked steps untouched, whatever stands there."""
    x, pad = sequences[0], 3
    for name, filling in (("zeros", 0.0), ("large numbers", 1e2)):
        padding = np.full((pad, x.shape[1]), filling, np.float32)
        padded = np.concatenate([padding, x, padding])[None]
        mask = np.zeros(padded.shape[:2], bool)
        mask[:, pad:-pad] = True
        expected = network.unroll(x[None], network.initial_state(1))
        outputs, last = network.unroll(padded, network.initial_state(1), mask)
        if difference := _difference(expected, (outputs[:, pad:-pad], last)):
            yield (
                f"padding: the state advances over masked padding: {pad} masked steps of {name} before and after an"
                f" episode change outputs or state by {difference:.3g}"
            )
            return


def _compilation(network: RecurrentNetwork, sequences: list[np.ndarray]) -> Iterator[str]:
    """The learner compiles unrolls with XLA; the result has to be the same."""
    x = sequences[0][None]
    eager = network.unroll(x, network.initial_state(1))
    try:
        compiled = Compiled(lambda x, state: network.unroll(x, state))(x, network.initial_state(1))
    except Exception as error:  # whatever a user's layers raise is the finding
        yield f"compilation: XLA cannot compile unroll: {type(error).__name__}: {str(error).splitlines()[0]}"
        return
    if difference := _difference(eager, compiled):
        yield f"compilation: unroll compiled by XLA differs by {difference:.3g} from the same one run eagerly"


def _recorded(network: RecurrentNetwork, recorded: list[tuple[Episode, np.ndarray]]) -> list[str]:
    """What the actor recorded is what the network computes from the episode's first step, and its inputs."""
    faults: dict[str, str] = {}
    for episode, x in recorded:
        start = _first(episode.states)
        if difference := _difference(start, network.initial_state(1)):
            faults["reset"] = (
                f"reset: the state is not reset at an episode's start: the recorded state before its first step differs"
                f" by {difference:.3g} from initial_state"
            )
            continue
        outputs, _ = network.unroll(x[None], network.initial_state(1))
        # With the state beside them, as its dtype decides how far outputs may differ.
        if difference := _difference((outputs, start), (episode.outputs[None, : len(x)], start)):
            faults["recorded"] = (
                f"recorded: outputs recomputed from the episode's first step differ by {difference:.3g} from those the"
                " actor recorded (were the parameters changed in between?)"
            )
    return list(faults.values())


def _first(nest: Any) -> Any:
    """The first row `[1, ...]` of every array `[B, ...]` of a nest."""
    return nests.pack(nest, [leaf[:1] for leaf in nests.flatten(nest)])


def _difference(a: Any, b: Any) -> float:
    """Largest difference of two nests of arrays; 0.0 where rounding explains it, infinite where shapes differ.

    Integers and flags have to be equal. Where some arrays are of float16 or bfloat16, all others may depend on them.
    """
    pairs = [(np.asarray(x), np.asarray(y)) for x, y in zip(nests.flatten(a), nests.flatten(b), strict=True)]
    quantum = max((EPSILONS.get(one.dtype.name, 0.0) for pair in pairs for one in pair), default=0.0)
    largest = 0.0
    for x, y in pairs:
        if x.shape != y.shape:
            return np.inf
        dtype, continuous = (np.complex128 if x.dtype.kind == "c" else np.float64), _is_continuous(x.dtype)
        x, y = x.astype(dtype), y.astype(dtype)
        relative, absolute = (max(RELATIVE, 8 * quantum), max(ABSOLUTE, 4 * quantum)) if continuous else (0.0, 0.0)
        if not np.allclose(x, y, rtol=relative, atol=absolute):
            largest = max(largest, float(np.nan_to_num(np.abs(x - y), nan=np.inf).max()))
    return largest


def _is_continuous(dtype: np.dtype[Any]) -> bool:
    """Whether numbers are of floats, real or complex, those that NumPy does not know (bfloat16) among them."""
    return dtype.kind in "fc" or "float" in dtype.name
