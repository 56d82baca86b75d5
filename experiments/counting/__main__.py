"""`python -m experiments.counting`."""

from experiments.counting import main

raise SystemExit(main())
