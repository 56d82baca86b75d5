"""What the experiments share: running jobs, statistics, pictures, reports."""
