"""Recurrent replay: fragments of episodes with the recurrent states that the actor had there. NumPy alone."""

from r2d2_burnin.replay.buffer import Replay

__all__ = ["Replay"]
