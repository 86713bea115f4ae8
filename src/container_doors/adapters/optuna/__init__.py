"""Optuna: which trial comes next, the database of a sweep, and how much each key matters."""
