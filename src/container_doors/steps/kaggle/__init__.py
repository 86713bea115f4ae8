"""A training on a Kaggle GPU: planned, pushed, followed, pulled.

Nothing here needs a secret there: the job trains and evaluates, and all that takes an account
happens on the machine that sent it.
"""
