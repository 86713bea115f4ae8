"""DVC: the command, the cache, the remote."""
