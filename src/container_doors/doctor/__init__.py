"""Checks of the machine, its accounts and a run, each with a remedy."""
