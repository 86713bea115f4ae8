"""Where large files are kept: addresses, credentials, and what DVC says when they do not work."""
