"""Identify and publish models: versions, hashes, lineage, signatures, and atomic publication."""
