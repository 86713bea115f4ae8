"""A training as a job on a lent GPU: what is sent, ordered and heard, and what comes back."""
