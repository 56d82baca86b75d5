"""Recurrent networks: what the library asks of one, and those it brings."""
