"""Recurrent cells: one file each, found by the names in `settings.CELLS`, or as `module:Class` of your own."""

from __future__ import annotations

from typing import Any

from r2d2_burnin.environments.make import import_object
from r2d2_burnin.networks.cells.protocol import Cell, CellState, RecurrentLayer
from r2d2_burnin.settings import CELLS

__all__ = ["Cell", "CellState", "RecurrentLayer", "load_cell"]


def load_cell(name: str) -> Any:
    """The `Cell` or `RecurrentLayer` with a name of `settings.CELLS`, or of a class `module:Class`, called without any.

    Raises:
        ValueError: for a module or class that does not exist.
    """
    return import_object("cell", CELLS.get(name, name))()
