"""Recurrent cells: one file each, found by the names in `settings.CELLS`, or as `module:Class` of your own."""

from __future__ import annotations

from r2d2_burnin.environments.make import import_object
from r2d2_burnin.networks.cells.protocol import Cell, CellState
from r2d2_burnin.settings import CELLS

__all__ = ["Cell", "CellState", "load_cell"]


def load_cell(name: str) -> Cell:
    """The cell with a name of `settings.CELLS`, or of a class `module:Class` that is called without arguments.

    Raises:
        ValueError: for a module or class that does not exist.
    """
    cell: Cell = import_object("cell", CELLS.get(name, name))()
    return cell
