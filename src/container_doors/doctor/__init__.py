"""What may be wrong with a machine, its accounts or a run, and the remedy."""
