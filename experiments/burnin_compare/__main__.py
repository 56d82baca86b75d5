"""`python -m experiments.burnin_compare`."""

from experiments.burnin_compare import main

raise SystemExit(main())
