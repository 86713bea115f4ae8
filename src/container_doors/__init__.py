"""From labelled photographs of shipping containers to a versioned detector of their rear doors.

Read :mod:`container_doors.pipeline` first: it tells the whole story in order.
"""

__version__ = "0.1.0"
