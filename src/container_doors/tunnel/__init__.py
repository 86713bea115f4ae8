"""Another machine, reached by SSH: its keys, its server, its tunnel, a training that runs there."""
