"""Reports of a run's measurements, for people: Markdown, page, model card, pictures."""
