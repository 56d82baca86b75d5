"""`python -m experiments.atlas`."""

from experiments.atlas import main

raise SystemExit(main())
