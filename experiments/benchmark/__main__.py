"""`python -m experiments.benchmark`."""

from experiments.benchmark import main

raise SystemExit(main())
