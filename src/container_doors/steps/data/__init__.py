"""A data set: check, draw, pack and fetch it; `doors data`."""
