"""What is measured: discrepancies, evaluations, and which burn-in a trained network needs."""
