"""`python -m experiments.memory_use`."""

from experiments.memory_use import main

raise SystemExit(main())
