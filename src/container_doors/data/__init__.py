"""Photographs and their labels: read, check, pack and link data sets."""
