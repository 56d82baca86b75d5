"""Experiments on recurrent replay: one module each, run with `python -m experiments.<name>`."""
