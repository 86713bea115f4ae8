"""What to ask of the trainer, and what to keep of what it says."""
