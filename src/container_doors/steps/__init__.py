"""One file per command, of the command's name: it does what that says, and returns a value."""
