"""`python -m experiments.burnin_advisor`."""

from experiments.burnin_advisor import main

raise SystemExit(main())
