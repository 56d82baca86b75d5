"""Recurrent replay for any environment: from which recurrent state should replayed experience start?

The rooms, each of which imports only from those after it: `training` (a run), `testing` and its command `check` (state
equivalence of your own network), `diagnostics` (what is measured, and burn-in advice), `learning` (objectives and the
learner), `initialization` (start states), `replay` (fragments), `acting` (from environment to episode), `networks`,
`environments`, `settings` and `data`, `runtime`. The way of the data: environment, actor, episode, replay,
initialization, learner, diagnostics.
"""
