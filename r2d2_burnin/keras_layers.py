"""Drop-ins for `keras.layers.LSTM` and `keras.layers.GRU`: see `r2d2_burnin.networks.keras_layers`.

The public path, which saved models name too: import it before `keras.models.load_model`.
"""

from r2d2_burnin.networks.keras_layers import TimeFusedGRU, TimeFusedLSTM

__all__ = ["TimeFusedGRU", "TimeFusedLSTM"]
