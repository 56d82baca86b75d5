"""Initializations: from which recurrent state a replayed fragment's trained steps start."""
