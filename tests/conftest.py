"""Settings that every test shares."""

from __future__ import annotations

from hypothesis import settings

from r2d2_burnin.runtime.tensorflow import set_up

# Compiling and tracing make the first example of a property slow, whatever the property.
settings.register_profile("default", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("default")

set_up()
