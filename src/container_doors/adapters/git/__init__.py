"""Git: the repository, its credentials, a commit as a bundle."""
