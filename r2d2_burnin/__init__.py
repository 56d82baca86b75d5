"""Recurrent replay for any environment: from which recurrent state should replayed experience start?

The way of the data, and the order to read the modules in: `actor` (environment to `episodes`) -> `fragments` -> `ring`
-> `replay` -> `initialization` -> `networks` (on `time_fused`, `lstm`, `gru`) -> `objectives` -> `learner` ->
`discrepancy` -> `evaluation` -> `training`.
"""
