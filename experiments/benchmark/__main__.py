"""`python -m experiments.benchmark`."""

from experiments.benchmark.command import main

if __name__ == "__main__":
    raise SystemExit(main())
