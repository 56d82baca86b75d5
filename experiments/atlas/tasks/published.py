"""Memory tasks that others have published, with what is reachable on them and what others reached.

Best and random returns are exact where nothing else is said; `tests/experiments/test_published_tasks.py` computes them
again. Figures of others are printed beside ours only with their source, and with 'not checked' where the source itself
could not be read: then they are from a transcription.

POPGym's figure for a task is the MMER: in each trial the largest mean return of a training epoch, averaged over trials
(Morad et al., ICLR 2023). Its agents sampled their actions, and saw the previous action and a flag at the first step
besides the observation (wrappers PreviousAction and Antialias of its `ppo.py`).
"""

from __future__ import annotations

from experiments.atlas.tasks.task import Benchmark, PublishedResult, Task

POPGYM_PAPER = "Morad et al., POPGym, ICLR 2023, appendix, table of MMER by environment and model"

TRANSCRIPTION = "from a transcription of the table in a public repository; the paper's own table was not at hand"

SAME = "as at the tag 'paper' of POPGym's repository (February 2023): observations, lengths and rewards are the same"

CARD_SUITS = "all cards can be remembered; of four suits a random one is right in 1 of 4 cases"


def _popgym(agent: str, best_epoch: float) -> PublishedResult:
    return PublishedResult(
        agent=f"{agent}, PPO",
        best_epoch=best_epoch,
        trials=3,
        environment_steps=15_000_000,
        source=POPGYM_PAPER,
        is_checked=False,
        note=TRANSCRIPTION,
    )


def _card_suits(name: str, env: str, result: PublishedResult) -> Task:
    """A task of POPGym whose answers are one of four suits, and whose rewards add up to -1 to 1."""
    return Task(
        name,
        ("--env", f"popgym:popgym-{env}-v0"),
        package="popgym",
        benchmark=Benchmark(best_return=1.0, random_return=-0.5, reachable=CARD_SUITS, version=SAME, results=(result,)),
    )


PUBLISHED = (
    _card_suits("repeat-first-easy", "RepeatFirstEasy", _popgym("GRU", 1.0)),
    _card_suits("repeat-first-medium", "RepeatFirstMedium", _popgym("GRU", 1.0)),
    _card_suits("repeat-previous-easy", "RepeatPreviousEasy", _popgym("GRU", 1.0)),
    Task(
        "count-recall-easy",
        ("--env", "popgym:popgym-CountRecallEasy-v0"),
        package="popgym",
        benchmark=Benchmark(
            best_return=1.0,
            random_return=2 / 27 - 1,
            reachable="all cards can be counted; of 27 answers a random one is right in 1 of 27 cases",
            version=(
                "27 answers, where the tag 'paper' had 26 and the count 26 could not be answered, so that the best"
                " return was 0.962; code of October to December 2022 took a number instead, and which of them the"
                " published figure is for is not said"
            ),
            results=(_popgym("LSTM", 0.509), _popgym("GRU", 0.177)),
        ),
    ),
    Task(
        "noisy-position-only-cart-pole-easy",
        ("--env", "popgym:popgym-NoisyPositionOnlyCartPoleEasy-v0"),
        package="popgym",
        benchmark=Benchmark(
            best_return=1.0,
            random_return=0.111,
            reachable="1 for all 200 steps, a bound; random actions by simulation of 6000 episodes",
            version=(
                "called NoisyStatelessCartPoleEasy at the tag 'paper'; the same noise, rewards and 200 steps, after"
                " which the episode is truncated, where it was terminated then"
            ),
            results=(_popgym("GRU", 0.995),),
        ),
    ),
    _card_suits("autoencode-easy", "AutoencodeEasy", _popgym("GRU", -0.283)),
    Task(
        "higher-lower-easy",
        ("--env", "popgym:popgym-HigherLowerEasy-v0"),
        package="popgym",
        benchmark=Benchmark(
            best_return=0.5276,
            random_return=0.0,
            reachable="the better guess given all cards seen, exact; without memory 0.497 can be earned",
            version=SAME,
            results=(_popgym("GRU", 0.529),),
        ),
    ),
    Task(
        "minigrid-memory-s7",
        # The codes of a key and a ball are 5 and 6: given as numbers, a network takes 12 to 15 times as many updates to
        # tell them apart under direct supervision as given one-hot (100 views, 3 seeds), which is the same information.
        # Flat, an update of 64 fragments of 20 steps takes 0.05 s of processor; with a convolution over 7 x 7 x 20 it
        # took more than 1 s. The step size stays as it is: `stored` learned which end is right by update 3500 (one
        # seed); where it falls over 8000 updates, it had not by their end.
        (
            *("--env", "minigrid:MiniGrid-MemoryS7-v0"),
            *("--wrappers", "minigrid.wrappers:OneHotPartialObsWrapper", "minigrid.wrappers:ImgObsWrapper"),
            "gymnasium.wrappers:FlattenObservation",
            *("--units", "64", "--discount", "0.97", "--evaluation-epsilon", "0.02"),
            "--final-learning-rate",
            "0.001",
        ),
        package="minigrid",
        updates=5000,
        is_slow=True,
        benchmark=Benchmark(
            best_return=1 - 0.9 * 6 / 245,
            random_return=0.162,
            reachable=(
                "the shortest ways to look and to go, 6 steps of 245 on average, exact; without memory 0.492 can be"
                " earned; random actions by simulation of 3000 episodes"
            ),
            version=(
                "Chevalier-Boisvert et al., NeurIPS 2023, with the view's codes one-hot; no published figure for it was"
                " found"
            ),
        ),
    ),
    Task(
        "passive-t-maze",
        # An LSTM begins with forget gates of sigmoid(1) = 0.73, and 0.73 ** 49 is 2e-7: in 4000 updates it learned
        # nothing here, not even from fragments of whole episodes. An LRU begins with memories that are long enough.
        ("--env", "envs:TMaze/Passive-v0", "--env-kwargs", "length=50", "--cell", "lru"),
        benchmark=Benchmark(
            best_return=1.0,
            random_return=0.5,
            reachable="exact; without memory 0.5",
            version=(
                "our own, after Ni et al., NeurIPS 2023, and Bakker, NeurIPS 2001: the corridor is passed without"
                " actions, so published figures do not apply; the atlas gives it the cell lru where --flags names no"
                " other, as an LSTM forgets the cue before it can learn to keep it"
            ),
        ),
    ),
)
"""In the order of reports."""
