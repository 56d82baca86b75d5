"""Recurrent replay: fragments of episodes with the recurrent states that the actor had there. NumPy alone."""
