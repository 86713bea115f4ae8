"""Training: the trainer's arguments, checkpoints, the record of epochs, leases and uploads."""
