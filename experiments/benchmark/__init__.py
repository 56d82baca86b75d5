"""Benchmarks of what this project makes fast: `python -m experiments.benchmark`.

`settings` has the flags and the table of benchmarks, `command` runs them, each in a process of its own, `timing` and
`peers` time, and `simulation` simulates reports. Every other module holds the benchmarks of one part of the project;
each benchmark is a function from the settings to rows. A new one is such a function and a line in the table.
"""

from experiments.benchmark.command import main

__all__ = ["main"]
