"""Agents of other frameworks, each a short file: trained there, and checked, measured and advised on here."""
