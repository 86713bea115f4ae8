"""A remote machine over SSH: its keys, its server, its tunnel, and training there."""
