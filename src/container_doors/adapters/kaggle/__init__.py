"""Kaggle, by its own client."""
