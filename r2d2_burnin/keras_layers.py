"""Drop-ins for `keras.layers.LSTM` and `keras.layers.GRU`: see `r2d2_burnin.networks.keras_layers`."""

from r2d2_burnin.networks.keras_layers import TimeFusedGRU, TimeFusedLSTM

__all__ = ["TimeFusedGRU", "TimeFusedLSTM"]
