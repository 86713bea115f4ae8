"""A training on a Kaggle GPU: plan, push, follow, pull.

The job needs no secret: it trains and evaluates, and every step that needs an account runs on the
machine that sent it.
"""
