"""Ultralytics: training, validation, prediction, export."""
