"""Ultralytics YOLO: training, validation, prediction, export."""
