"""What every feature depends on: params, paths of a run, files, documents, errors, ports."""
