"""The only place where other people's programs are met: one vendor, one module."""
