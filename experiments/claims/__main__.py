"""`python -m experiments.claims`."""

from experiments.claims import main

raise SystemExit(main())
