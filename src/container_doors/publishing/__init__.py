"""Which model this is: its version, its hashes, its lineage, and the one step that publishes it."""
