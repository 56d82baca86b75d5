"""A new initialization is one class: this file defines one, and a comparison uses it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2d2_burnin.initialization import Initialization, parse
from r2d2_burnin.initialization.start_state import first_state
from r2d2_burnin.runtime.tensorflow import tf
from tests.common.networks import act_episodes, make_network, make_replay
from tests.common.tiny import compare

HALVED = f"{__name__}:Halved"


class Halved(Initialization):
    """Half of the state that the actor had there."""

    stores_states = True

    def fragment_state(self, stored: Any, learned: Any) -> Any:
        return tf.nest.map_structure(lambda leaf: 0.5 * leaf, stored)


def test_fragments_start_from_it() -> None:
    network = make_network("lstm", 1)
    replay = make_replay(f"{HALVED}+2")
    replay.add(*act_episodes(network, 2, length=12))
    batch = replay.batch(replay.all_rows())
    assert not batch.from_initial_state.all()
    state = first_state(network, batch, parse(f"{HALVED}+2"))
    expected = [
        np.where(batch.from_initial_state[:, None], 0.0, 0.5 * leaf) for leaf in tf.nest.flatten(batch.start_state)
    ]
    for leaf, by_hand in zip(tf.nest.flatten(state), expected, strict=True):
        np.testing.assert_array_equal(leaf, by_hand)


class Forgetful(Initialization):
    """Asks for stored states, but does not say that they are to be stored."""

    def fragment_state(self, stored: Any, learned: Any) -> Any:
        return tf.nest.map_structure(lambda leaf: 0.5 * leaf, stored)


def test_states_that_are_not_stored_are_not_zeros() -> None:
    network, name = make_network("lstm", 1), f"{__name__}:Forgetful"
    replay = make_replay(name)
    replay.add(*act_episodes(network, 2, length=12))
    with pytest.raises(ValueError, match=r"Forgetful raised .*test_own_initialization.py, line \d+.*stores_states"):
        first_state(network, replay.batch(replay.all_rows()), parse(name))


@pytest.mark.usefixtures("jobs_in_process")
def test_a_comparison_uses_it(tmp_path: Path) -> None:
    summary = compare(tmp_path, "--strategies", "stored", HALVED, f"{HALVED}+2", "--env-kwargs", "length=12")
    strategies = summary["strategies"]
    assert strategies[f"{HALVED}+2"]["burn_in"] == 2
    assert strategies[HALVED]["start"] == HALVED
    assert strategies[HALVED]["floor"] is None  # nothing is known of what it sees
    assert strategies["stored"]["floor"] == 0
    assert strategies[HALVED]["staleness"]["mean"] == strategies["stored"]["staleness"]["mean"]
    errors = [strategy["eval_error"]["mean"] for strategy in strategies.values()]
    assert len(set(errors)) == 3


@dataclasses.dataclass(frozen=True)
class Seven(Initialization):
    """With a burn-in of its own."""

    burn_in: int | None = 7


class Stubborn(Initialization):
    """Takes no burn-in."""

    def __init__(self) -> None:
        super().__init__(0)


class Negative(Initialization):
    """Has no number of steps."""

    def __init__(self) -> None:
        super().__init__(-3)


class Deaf(Initialization):
    """Takes a burn-in, and keeps none."""

    def __init__(self, burn_in: int = 0) -> None:
        super().__init__(0)


def test_the_burn_in_is_that_of_the_name_or_of_the_class() -> None:
    assert [parse(f"{__name__}:Seven{more}").burn_in for more in ("", "+2", "+0")] == [7, 2, 0]
    assert parse(f"{__name__}:Stubborn").burn_in == 0
    assert parse("r2d2_burnin.initialization:Full") == parse("full")
    for wrong in ("Stubborn+2", "Negative", "Deaf+2"):
        with pytest.raises(ValueError, match=rf"strategies: .*:{wrong.split('+')[0]}"):
            parse(f"{__name__}:{wrong}")
    for other in (None, 5, ["zero"], b"zero"):
        with pytest.raises(ValueError, match="strategies: got"):
            parse(other)  # type: ignore[arg-type]
    for huge in ("zero+99999999999999999999999", "zero+" + 5000 * "9", "r2d2_burnin.initialization:Initialization"):
        with pytest.raises(ValueError, match="strategies: got"):
            parse(huge)


@pytest.mark.parametrize("name", [f"{__name__}:Missing", "no_such_module:Halved", f"{__name__}:HALVED", f"{HALVED}+x"])
def test_what_is_no_initialization_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="strategies: "):
        parse(name)
