"""Settings that every test shares."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import settings

# The hundreds of programs that tests compile are not kept among the user's.
os.environ.setdefault("R2D2_BURNIN_CACHE", str(Path(tempfile.gettempdir()) / "r2d2_burnin-tests"))

# Compiling and tracing make the first example of a property slow, whatever the property.
settings.register_profile("default", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("default")
