"""Git: the repository, its credentials, and bundles of commits."""
