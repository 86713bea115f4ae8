"""Tracking: which trackers show a run, and what they receive. It only reads the run's files."""
