"""Work on the machines of a Ray cluster; Ray is imported when ``--on ray`` is asked for."""
