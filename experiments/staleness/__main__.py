"""`python -m experiments.staleness`."""

from experiments.staleness import main

raise SystemExit(main())
