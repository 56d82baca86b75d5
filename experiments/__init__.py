"""Experiments on recurrent replay: a package each, run with `python -m experiments.NAME` or `r2d2-burnin`.

A package has its flags in `settings`, a function `describe` in `experiment` that says which runs these ask for and
which files follow from them, what workers compute in a module that alone imports TensorFlow, and what the page shows
in `report`. `common.experiment` does the rest, the same for all.
"""
