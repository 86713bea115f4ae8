"""Photographs and their labels: reading, checking, splitting, and drawing a sample."""
