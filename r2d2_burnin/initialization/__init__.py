"""Initializations, one file each: from which recurrent state a replayed fragment's trained steps start."""

from r2d2_burnin.initialization.base import Initialization
from r2d2_burnin.initialization.full import Full
from r2d2_burnin.initialization.learned import Learned
from r2d2_burnin.initialization.names import NAMES, check_cut, check_trained_steps, parse
from r2d2_burnin.initialization.refreshed import Refreshed
from r2d2_burnin.initialization.stored import Stored
from r2d2_burnin.initialization.zero import Zero

__all__ = [
    "NAMES",
    "Full",
    "Initialization",
    "Learned",
    "Refreshed",
    "Stored",
    "Zero",
    "check_cut",
    "check_trained_steps",
    "parse",
]
