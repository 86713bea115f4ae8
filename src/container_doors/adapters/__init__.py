"""Adapters: the only code that uses third-party programs; one module or folder per vendor."""
