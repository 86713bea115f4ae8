"""Kaggle, through its own client."""
