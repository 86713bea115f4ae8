"""Showing a run elsewhere: whether, what, and in which order; pure, and a subscriber only."""
