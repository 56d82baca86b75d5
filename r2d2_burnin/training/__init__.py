"""A training run, from its first episode to its last measurement."""
