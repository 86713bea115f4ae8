"""Another machine, reached by SSH: who may come in, what they find there, how they get there."""
