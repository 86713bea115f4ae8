"""Formats of labels from outside, one file each: recognise, read, and some write."""
