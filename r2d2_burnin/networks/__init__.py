"""Recurrent networks: what the library asks of one (`RecurrentNetwork`), and those it brings."""

from r2d2_burnin.networks.protocol import RecurrentNetwork

__all__ = ["RecurrentNetwork"]
