"""What every feature stands on: the params, the paths of a run, files, documents, errors, ports."""
