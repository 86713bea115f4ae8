"""What a run was measured to do, written down for people: a report and its pictures."""
