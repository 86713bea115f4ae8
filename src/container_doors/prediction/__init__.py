"""The published model in use: pictures in, doors out, in the form that other programs read."""
