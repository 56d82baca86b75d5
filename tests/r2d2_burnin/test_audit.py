"""Every fault of a replay, planted once, is named with its number of sequences; correct replays have none."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2d2_burnin import audit
from r2d2_burnin.acting.episode_files import save_episodes
from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.audit.audit_replay import audit_replay
from r2d2_burnin.diagnostics.audit.faults import FAULTS
from r2d2_burnin.diagnostics.audit.recorded import read_sequences
from r2d2_burnin.diagnostics.audit.result import AuditResult, Verdict
from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences
from tests.common.commands import run_command
from tests.r2d2_burnin.replays import Lstm, World, make_world, replay, stream, true_states, with_states

Arrays = dict[str, Any]
Plant = Callable[[World, Arrays, np.ndarray], Arrays]

make = functools.cache(make_world)


def found(result: AuditResult) -> dict[str, int]:
    return {verdict.fault: verdict.sequences for verdict in result.found}


def verdict(result: AuditResult, fault: str) -> Verdict:
    return next(v for v in result.verdicts if v.fault == fault)


def going_on(arrays: Arrays) -> np.ndarray:
    return np.flatnonzero(arrays["first_step"] > 0)


def beginning(arrays: Arrays) -> np.ndarray:
    return np.flatnonzero(arrays["first_step"] == 0)


def states_of(arrays: Arrays, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    return arrays["state/0"][rows], arrays["state/1"][rows]


def plant_late(world: World, arrays: Arrays, rows: np.ndarray) -> Arrays:
    return with_states(arrays, true_states(world, arrays, rows, 1), rows)


def plant_early(world: World, arrays: Arrays, rows: np.ndarray) -> Arrays:
    return with_states(arrays, true_states(world, arrays, rows, -1), rows)


def plant_next(world: World, arrays: Arrays, rows: np.ndarray) -> Arrays:
    return with_states(arrays, states_of(arrays, (rows + 1) % len(arrays["mask"])), rows)


def plant_shuffled(world: World, arrays: Arrays, rows: np.ndarray) -> Arrays:
    others = np.random.default_rng(0).permutation(rows)
    return with_states(arrays, states_of(arrays, others), rows)


def plant_zeros(world: World, arrays: Arrays, rows: np.ndarray) -> Arrays:
    return with_states(arrays, tuple(np.zeros_like(leaf) for leaf in states_of(arrays, rows)), rows)


def plant_not_reset(world: World, arrays: Arrays, rows: np.ndarray) -> Arrays:
    ends = [world.states[int(number) - 1] for number in arrays["episode"][rows]]
    return with_states(arrays, tuple(np.stack([states[i][-1] for states in ends]) for i in range(2)), rows)


def plant_over_padding(world: World, arrays: Arrays, rows: np.ndarray) -> Arrays:
    pads = arrays["mask"][rows].argmax(1)
    after = [
        world.network.unroll(arrays["observations"][row : row + 1, :pad], world.network.initial_state(1))[1]
        for row, pad in zip(rows, pads, strict=True)
    ]
    return with_states(arrays, tuple(np.concatenate([state[i] for state in after]) for i in range(2)), rows)


def plant_swapped(world: World, arrays: Arrays, rows: np.ndarray) -> Arrays:
    return with_states(arrays, states_of(arrays, rows)[::-1], rows)


def plant_half(world: World, arrays: Arrays, rows: np.ndarray) -> Arrays:
    return with_states(arrays, tuple(leaf.astype(np.float16) for leaf in states_of(arrays, rows)), rows)


PLANTED: dict[str, tuple[str, Plant, Callable[[Arrays], np.ndarray]]] = {
    "late": ("one_step_late", plant_late, going_on),
    "early": ("one_step_early", plant_early, going_on),
    "next": ("another_sequence", plant_next, going_on),
    "shuffled": ("another_sequence", plant_shuffled, going_on),
    "zeros": ("zeros_inside", plant_zeros, going_on),
    "not reset": ("not_reset", plant_not_reset, beginning),
    "over padding": ("over_padding", plant_over_padding, beginning),
    "swapped": ("parts_swapped", plant_swapped, going_on),
    "half": ("coarse_dtype", plant_half, going_on),
}
"""The fault, how it is planted, and where it can be."""

MISSING = {"everything": (), "no outputs": ("outputs",), "no episodes": ("episode", "first_step")}


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named_with_its_number_of_sequences(name: str, share: float, missing: str) -> None:
    fault, plant, where = PLANTED[name]
    world = make(1)
    arrays = replay(world, left=6)
    rows = where(arrays)
    rows = np.sort(np.random.default_rng(2).choice(rows, int(share * len(rows)), replace=False))
    planted = plant(world, arrays, rows)
    for array in MISSING[missing]:
        del planted[array]
    result = audit_replay(world.network, planted)
    if name == "early" and missing == "no episodes":  # the observation before each sequence is not there
        assert found(result) == {}
        assert verdict(result, fault).needs == ("episode with first_step",)
        return
    if name == "next":  # the last sequence of each episode has the initial state of the next one
        found_ = found(result)
        assert found_[fault] + found_.pop("zeros_inside", 0) == pytest.approx(len(rows), abs=2)
        assert set(found_) == {fault}
        return
    about = 0.1 * len(rows) if name == "shuffled" else 0
    assert found(result) == {fault: pytest.approx(len(rows), abs=about)}
    of = verdict(result, fault)
    assert of.estimated == (name == "shuffled")
    assert set(of.examples) <= set(rows.tolist())


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("name", PLANTED)
def test_stale_states_do_not_hide_a_fault_that_most_sequences_have(name: str, missing: str) -> None:
    fault, plant, where = PLANTED[name]
    world = make(3, drift=0.1, oldest=100)
    arrays = replay(world, left=6)
    rows = where(arrays)
    planted = plant(world, arrays, rows)
    for array in MISSING[missing]:
        del planted[array]
    if name == "early" and missing == "no episodes":
        return
    result = audit_replay(world.network, planted)
    assert found(result)[fault] >= 0.8 * len(rows)
    assert set(found(result)) <= {fault, "zeros_inside"}


@pytest.mark.parametrize(
    ("name", "share"), [("late", 0.05), ("early", 0.05), ("swapped", 0.05), ("late", 0.3), ("shuffled", 0.3)]
)
def test_a_fault_that_few_of_many_stale_states_have_is_named_with_its_number_of_sequences(
    name: str, share: float
) -> None:
    fault, plant, where = PLANTED[name]
    world = make(3, drift=0.05, oldest=100, episodes=30)
    arrays = replay(world, left=6)
    rows = where(arrays)
    rows = np.sort(np.random.default_rng(2).choice(rows, int(share * len(rows)), replace=False))
    for missing in (("outputs",), ()):
        planted = {array: values for array, values in plant(world, arrays, rows).items() if array not in missing}
        result = audit_replay(world.network, planted)
        assert found(result) == {fault: pytest.approx(len(rows), rel=0.3)}, (missing, result.sentence)
        assert "on sequences in which no fault was found" in " ".join(result.notes)


def test_a_state_one_step_late_is_not_taken_for_the_next_sequences_where_that_begins_a_step_later() -> None:
    world = make(3, drift=0.05, oldest=100, episodes=6)
    arrays = replay(world, period=1)
    rows = going_on(arrays)
    result = audit_replay(world.network, plant_late(world, arrays, rows))
    assert found(result) == {"one_step_late": pytest.approx(len(rows), rel=0.1)}
    assert "Ruled out beside what was found" in result.sentences[-1]


def test_states_that_nothing_can_judge_give_no_advice() -> None:
    world = make(1)
    arrays = replay(world)
    late = plant_late(world, arrays, going_on(arrays))
    result = audit_replay(world.network, {k: v for k, v in late.items() if k not in ("outputs", "episode")})
    assert (result.found, result.staleness, result.unjudged) == ((), None, len(going_on(arrays)))
    assert f"the stored states of {result.unjudged} sequences cannot be judged" in result.sentence
    assert "What would show it: outputs, or episode with first_step." in result.notes[0]
    assert "no burn-in is advised" in result.notes[1]


def test_flags_where_slices_begin_are_recognized() -> None:
    world = make(1)
    arrays = replay(world)
    arrays["is_first"] = arrays["is_first"] | (np.arange(20) == 0)
    del arrays["first_step"]
    with pytest.raises(ValueError, match=r"both begin the episode of the same number.*step_count == 0"):
        audit_replay(world.network, arrays)
    del arrays["episode"]
    assert "step_count == 0" in verdict(audit_replay(world.network, arrays), "not_reset").reason


FAMILIES = [
    {"drift": drift, "oldest": oldest, "layers": layers, "units": units, "actions": actions}
    for drift, oldest in ((0.0, 0), (0.01, 100), (0.1, 100), (0.3, 1000))
    for layers, units, actions in ((1, 12, 3), (2, 4, 1))
]


def false_alarms(seeds: range) -> list[tuple[int, dict[str, int]]]:
    alarms = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        world = make_world(seed, episodes=16, **FAMILIES[seed % len(FAMILIES)])
        arrays = replay(world, length=int(rng.choice([10, 20, 40])), left=int(rng.choice([0, 6])))
        for array in list(MISSING.values())[seed % 3]:
            del arrays[array]
        if named := found(audit_replay(world.network, arrays, seed=seed)):
            alarms.append((seed, named))
    return alarms


def test_correct_replays_have_no_fault_however_stale_and_padded() -> None:
    assert false_alarms(range(8)) == []


@pytest.mark.long
def test_correct_replays_hardly_ever_have_a_fault() -> None:
    assert false_alarms(range(100, 200)) == []


def test_axes_that_are_transposed_are_named_and_put_in_order() -> None:
    world = make(5, layers=2)
    arrays = replay(world)
    moved = arrays | {f"state/{i}": np.moveaxis(arrays[f"state/{i}"], 1, 0) for i in range(2)}
    result = audit_replay(world.network, moved)
    assert found(result) == {"axes_transposed": len(arrays["mask"])}
    assert "state/0 has shape [2, " in verdict(result, "axes_transposed").reason
    # An array [layers, N, H] reshaped to [N, layers, H] has the right shape, and so has one with its layers reversed.
    for change in (
        lambda leaf: np.moveaxis(leaf, 1, 0).reshape(leaf.shape),
        lambda leaf: leaf[:, ::-1],
    ):
        wrong = arrays | {f"state/{i}": change(arrays[f"state/{i}"]) for i in range(2)}
        for missing in MISSING.values():
            result = audit_replay(world.network, {k: v for k, v in wrong.items() if k not in missing})
            assert found(result).get("axes_transposed", 0) >= 0.9 * len(going_on(arrays)), result.sentence
            assert set(found(result)) <= {"axes_transposed", "not_reset"}


def test_sequences_that_cross_an_end_are_named_by_flags_by_numbers_and_by_outputs() -> None:
    world = make(6)
    arrays = stream(world)
    numbers = arrays.pop("episodes")
    crossing = np.flatnonzero((numbers[:, 1:] != numbers[:, :-1]).any(1))
    assert found(audit_replay(world.network, arrays)) == {}
    unmarked = arrays | {"is_first": arrays["is_first"] & (np.arange(30) == 0)}
    last = np.zeros_like(arrays["is_first"])
    last[:, :-1] = arrays["is_first"][:, 1:]
    without = {name: array for name, array in unmarked.items() if name != "outputs"}
    for given in (unmarked, without | {"is_last": last}, without | {"episode": numbers}):
        assert found(audit_replay(world.network, given)) == {"crosses_end": len(crossing)}
    assert verdict(audit_replay(world.network, without), "crosses_end").status == "undecided"


def test_an_actor_that_carries_its_state_over_an_end_is_named() -> None:
    world = make(6)
    arrays = stream(world)
    arrays.pop("episodes")
    outputs, _ = world.network.unroll(arrays["observations"], (arrays["state/0"], arrays["state/1"]))
    crossing = (arrays["is_first"][:, 1:]).any(1)
    assert found(audit_replay(world.network, arrays | {"outputs": outputs})) == {"crosses_end": int(crossing.sum())}


def test_an_actor_that_advances_its_state_over_padding_inside_a_sequence_is_named() -> None:
    world = make(7)
    arrays = replay(world)
    whole = arrays["mask"].all(1)
    arrays = {name: array[whole] for name, array in arrays.items()}
    gap = (np.arange(20) >= 8) & (np.arange(20) < 10)
    arrays["mask"] = arrays["mask"] & ~gap
    passed, _ = world.network.unroll(arrays["observations"][:, ~gap], (arrays["state/0"], arrays["state/1"]))
    right = np.zeros_like(arrays["outputs"])
    right[:, ~gap] = passed
    assert found(audit_replay(world.network, arrays | {"outputs": right})) == {}
    # As acted without the mask: the state has been advanced over steps 8 and 9.
    result = audit_replay(world.network, arrays)
    assert found(result) == {"over_padding": len(arrays["mask"])}


def test_burn_in_that_counts_in_the_loss_is_named_but_for_steps_after_a_beginning() -> None:
    world = make(1)
    arrays = replay(world) | {"burn_in": 5}
    result = audit_replay(world.network, arrays | {"loss_mask": arrays["mask"]})
    assert found(result) == {"burn_in_in_loss": len(going_on(arrays))}
    right = arrays["mask"] & ((np.arange(20) >= 5) | (arrays["first_step"] == 0)[:, None])
    assert found(audit_replay(world.network, arrays | {"loss_mask": right})) == {}


def test_what_the_arrays_cannot_decide_is_listed_with_what_would() -> None:
    world = make(1)
    arrays = {k: v for k, v in replay(world).items() if k not in ("outputs", "episode", "first_step", "age")}
    result = audit_replay(world.network, arrays)
    needs = {v.fault: v.needs for v in result.undecided}
    assert needs["one_step_late"] == ("outputs, or episode with first_step",)
    assert needs["crosses_end"] == ("is_last, or episode as [N, L], or outputs",)
    assert needs["burn_in_in_loss"] == ("burn_in with loss_mask",)
    assert not result.found
    known = audit_replay(world.network, replay(world) | {"episode": None, "first_step": None, "age": None})
    assert "What would show it: episode with first_step" in " ".join(known.notes)


def test_a_state_that_never_leaves_its_initial_value_is_no_fault() -> None:
    class Counter:
        """Counts ones; most of these sequences have none."""

        def initial_state(self, batch_size: int) -> np.ndarray:
            return np.zeros((batch_size, 1), np.float32)

        def unroll(self, observations: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            counts = state[:, None] + np.cumsum(observations, 1)
            return counts, counts[:, -1]

    rng = np.random.default_rng(0)
    ones = (rng.random((40, 30, 1)) < 0.02).astype(np.float32)
    counts = np.cumsum(ones, 1)
    first = np.zeros((40, 10), np.bool_)
    arrays = {
        "observations": ones[:, 20:],
        "state": np.ascontiguousarray(counts[:, 19]),
        "is_first": first,
        "mask": ~first,
        "outputs": counts[:, 20:],
    }
    assert found(audit_replay(Counter(), arrays)) == {}
    del arrays["outputs"]
    result = audit_replay(Counter(), arrays)
    assert found(result) == {}
    assert verdict(result, "zeros_inside").status == "undecided"


def test_staleness_is_delta_q_of_the_stored_states_and_the_advice_follows_from_it() -> None:
    world = make(8, drift=0.15, oldest=1000, episodes=18)
    arrays = replay(world, length=40)
    arrays["burn_in"] = 8
    staleness = audit_replay(world.network, arrays).staleness
    assert staleness is not None
    assert staleness.reference == "exact"
    rows = going_on(arrays)
    assert staleness.sequences == len(rows)  # so few are measured all
    values = np.full((len(rows), 40), np.nan)
    for i, row in enumerate(rows):
        x, start = world.observations[arrays["episode"][row]], int(arrays["first_step"][row])
        exact, _ = world.network.unroll(x[None], world.network.initial_state(1))
        stored = tuple(arrays[f"state/{j}"][row : row + 1] for j in range(2))
        tried, _ = world.network.unroll(x[None, start : start + 40], stored)
        off = np.linalg.norm(tried[0] - exact[0, start : start + 40], axis=-1)
        values[i, : len(off)] = off / np.abs(tried).max()
    owners = arrays["episode"][rows]
    expected = np.array([np.nanmean(values[owners == owner], 0) for owner in np.unique(owners)])
    curve = next(c for c in staleness.curves if c.start == "stored")
    for k in (0, 8, 16):
        assert curve.mean[curve.burn_in.index(k)] == pytest.approx(float(np.nanmean(expected[:, k])), rel=1e-3)
    assert staleness.groups[0].first < staleness.groups[-1].first
    assert staleness.advised is not None
    at = values[:, staleness.advised]
    assert np.mean(at[np.isfinite(at)] <= staleness.tolerance) >= 0.95
    assert "Advised burn-in" in staleness.sentence
    assert "The burn-in of 8 steps that this replay has leaves" in staleness.sentence


def of(arrays: Arrays, row: int) -> np.ndarray:
    return np.arange(len(arrays["mask"]))[:, None] == row


BAD: dict[str, tuple[Callable[[Arrays], Arrays], str]] = {
    "missing flags": (lambda a: {k: v for k, v in a.items() if k != "is_first"}, "is_first: missing"),
    "no mask": (lambda a: {k: v for k, v in a.items() if k != "mask"}, "mask: missing"),
    "unknown": (lambda a: a | {"dones": a["mask"]}, "dones: not an array of replayed sequences"),
    "shape": (lambda a: a | {"age": a["age"][:-1]}, "age: got an array"),
    "state": (lambda a: a | {"state/0": a["state/0"][:, :-1]}, "state/0: got an array"),
    "parts": (lambda a: {k: v for k, v in a.items() if k != "state/1"}, "state: got 1 arrays, expected 2"),
    "NaN": (lambda a: a | {"state/1": np.where(of(a, 7), np.nan, a["state/1"])}, "state/1: sequence 7"),
    "empty": (lambda a: a | {"mask": a["mask"] & ~of(a, 5)}, "mask: sequence 5 has no step"),
    "flags": (lambda a: a | {"is_first": a["is_first"] * 2}, "is_first: sequence 0 has"),
    "steps": (lambda a: a | {"first_step": a["first_step"] + 1}, "first_step: sequence 0 has 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_audited_is_refused_with_the_array_or_the_sequence(name: str) -> None:
    world = make(1)
    change, message = BAD[name]
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        audit_replay(world.network, change(replay(world)))


def test_a_network_that_keeps_a_state_between_calls_is_refused() -> None:
    world = make(1)

    class Keeping:
        """Adds what it has seen before."""

        def __init__(self) -> None:
            self.seen = 0.0

        def initial_state(self, batch_size: int) -> Any:
            return world.network.initial_state(batch_size)

        def unroll(self, observations: np.ndarray, state: Any) -> Any:
            outputs, state = world.network.unroll(observations, state)
            self.seen += float(np.abs(observations).mean())
            return outputs + self.seen, state

    with pytest.raises(ValueError, match="keeps a hidden state between calls"):
        audit_replay(Keeping(), replay(world))


def save(folder: Path, world: World, arrays: Arrays) -> None:
    kernel, bias = world.network.weights[0]
    np.savez(folder / "weights.npz", kernel=kernel, bias=bias, head=world.network.head)
    np.savez(folder / "replay.npz", **arrays)
    for name, array in arrays.items():
        path = folder / "replay" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)


def make_network(observation_space: Any, action_space: Any) -> Lstm:
    assert observation_space.shape == (4,)
    assert action_space.n == 3
    return make(1).network


def test_archives_and_folders_are_mapped_and_not_read_as_a_whole(tmp_path: Path) -> None:
    arrays = replay(make(1))
    save(tmp_path, make(1), arrays)
    for path in (tmp_path / "replay.npz", tmp_path / "replay"):
        sequences = ReplaySequences.read(path)
        assert isinstance(sequences.observations, np.memmap)
        np.testing.assert_array_equal(sequences.state[1], arrays["state/1"])
        np.testing.assert_array_equal(sequences.is_first, arrays["is_first"])
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    np.testing.assert_array_equal(ReplaySequences.read(tmp_path / "small.npz").outputs, arrays["outputs"])


def test_a_file_of_episodes_is_audited_as_the_states_that_the_actor_had(tmp_path: Path) -> None:
    world = make(3, drift=0.05, oldest=100)
    episodes = [
        Episode.from_arrays(
            x,
            np.zeros(len(x), np.int64),
            np.zeros(len(x)),
            terminated=True,
            states=tuple(leaf[:-1] for leaf in states),
            outputs=outputs,
            updates=100 - age,
        )
        for x, states, outputs, age in zip(world.observations, world.states, world.outputs, world.ages, strict=True)
    ]
    save_episodes(tmp_path / "episodes.npz", episodes)
    sequences = read_sequences(tmp_path / "episodes.npz", length=20, period=10)
    expected = replay(world)
    kept = np.flatnonzero(np.isin(sequences.first_step + 1, [len(x) for x in world.observations], invert=True))
    assert len(kept) > 100
    by_start = {(e, s): i for i, (e, s) in enumerate(zip(expected["episode"], expected["first_step"], strict=True))}
    rows = [by_start[e, s] for e, s in zip(sequences.episode[kept], sequences.first_step[kept], strict=True)]
    for name in ("observations", "outputs", "is_first", "mask"):
        np.testing.assert_array_equal(getattr(sequences, name)[kept], expected[name][rows])
    for i in range(2):
        np.testing.assert_array_equal(sequences.state[i][kept], expected[f"state/{i}"][rows])
    np.testing.assert_array_equal(sequences.age[kept], (expected["age"] - world.ages.min())[rows])
    result = audit_replay(world.network, tmp_path / "episodes.npz")
    assert (result.found, result.unjudged) == ((), 0)
    assert result.length == 80
    save_episodes(tmp_path / "stateless.npz", [dataclasses.replace(episode, states=()) for episode in episodes])
    with pytest.raises(ValueError, match="state/0: missing, expected episodes with the recurrent state"):
        audit_replay(world.network, tmp_path / "stateless.npz")


def test_the_command_prints_the_faults_and_writes_a_page(tmp_path: Path) -> None:
    world = make(1)
    arrays = replay(world)
    rows = going_on(arrays)[:9]
    save(tmp_path, world, plant_zeros(world, arrays, rows))
    flags = ["--sequences", str(tmp_path / "replay"), "--network", f"{__name__}:make_network", "--out", str(tmp_path)]
    done = run_command(audit.main, flags)
    assert done.returncode == 1
    assert "zeros are stored where an episode goes on (9 sequences)" in done.stdout
    content = json.loads((tmp_path / "audit.json").read_text())
    assert [v["fault"] for v in content["verdicts"]] == [fault.name for fault in FAULTS]
    page = (tmp_path / "audit.html").read_text()
    assert "data:image/png;base64," in page
    assert "9 of " in page
    save(tmp_path, world, arrays)
    assert run_command(audit.main, flags).returncode == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sequences", "nowhere.npz", "--network", "a:b"], "sequences: got nowhere.npz, which does not exist"),
        (["--sequences", "{}", "--network", "nowhere:make"], "network: module 'nowhere'"),
        (["--sequences", "{}", "--network", f"{__name__}:make_network", "--batch-size", "0"], "batch_size: got 0"),
    ],
)  # fmt: skip
def test_the_command_refuses_what_cannot_work(flags: list[str], message: str, tmp_path: Path) -> None:
    save(tmp_path, make(1), replay(make(1)))
    done = run_command(audit.main, [flag.format(tmp_path / "replay.npz") for flag in flags])
    assert done.returncode == 2
    assert message in done.stderr


WITHOUT_TENSORFLOW = """
import sys
from tests.r2d2_burnin.replays import make_world, replay
from r2d2_burnin import audit_replay
from r2d2_burnin.diagnostics.audit import page
world = make_world(1, episodes=4)
result = audit_replay(world.network, replay(world))
assert not {"tensorflow", "keras", "torch", "jax"} & set(sys.modules), sorted(sys.modules)
print(result.sentence)
"""


def test_an_audit_of_a_numpy_network_imports_no_framework() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "No fault found" in done.stdout
