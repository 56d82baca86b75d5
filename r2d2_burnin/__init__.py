"""Recurrent replay for any environment: from which recurrent state should replayed experience start?

The way of the data, and the order to read the modules in: `environments` (by id, guarded by `environment_guard`, with
`returned_values` and `targets`), `spaces` and `inputs` (what a network sees) -> `actor` (environment to `episodes`,
with `records` and `vector_checks`) -> `fragments` -> `ring`, `priorities`, `references` -> `replay` -> `initialization`
-> `networks` (on `time_fused`, `lstm`, `gru`, `convolution`) -> `start_state` -> `objectives` (on `q_learning`) ->
`learner` -> `discrepancy` -> `evaluation` -> `acting` (and `distributed_acting`, on Ray) -> `training_run` ->
`archive`, `checkpoint` -> `training`. On top of it: `burn_in_advice` (with `confidence` and `forgetting`), and
`testing` with its command `check`, for networks of your own; `keras_layers`, the recurrent layers as drop-ins for
Keras.
"""
