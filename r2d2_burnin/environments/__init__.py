"""Environments by id, checked and guarded, and what a network sees of them."""
