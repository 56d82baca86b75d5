"""Networks of other frameworks, called with NumPy arrays: `adapt` makes one of whatever can be called.

No module of this package imports a framework before a network of it is called, and none imports TensorFlow for a
network of another framework.
"""

from r2d2_burnin.networks.adapters.base import AnyNetwork, CallableNetwork, FaultyNetwork, UnfitNetwork
from r2d2_burnin.networks.adapters.choice import adapt
from r2d2_burnin.networks.adapters.keras_adapter import is_recurrent_network

__all__ = ["AnyNetwork", "CallableNetwork", "FaultyNetwork", "UnfitNetwork", "adapt", "is_recurrent_network"]
