"""The storage of large files: addresses, credentials, and explanations of DVC's errors."""
