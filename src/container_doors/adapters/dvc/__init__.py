"""DVC: its command, its cache, its remote."""
