"""Tasks on bit streams, and two of POPGym's that were here before its published results were."""

from __future__ import annotations

from experiments.atlas.tasks.task import Task

BIT_STREAMS = (
    Task("count", ("--env", "BitStream/Count-v0")),
    Task("window-count", ("--env", "BitStream/WindowCount-v0")),
    Task("recall", ("--env", "BitStream/Recall-v0")),
    Task("parity", ("--env", "BitStream/Parity-v0")),
    Task(
        "count-for-reward",
        (
            *("--env", "BitStream/Count-v0", "--env-kwargs", "modulo=4"),
            *("--objective", "q-learning", "--preset", "guess"),
        ),
    ),
)

OTHERS = (
    Task("position-only-cart-pole", ("--env", "popgym:popgym-PositionOnlyCartPoleEasy-v0"), package="popgym"),
    Task(
        "repeat-previous",
        ("--env", "popgym:popgym-RepeatPreviousEasy-v0", "--discount", "0.9"),
        package="popgym",
    ),
)
