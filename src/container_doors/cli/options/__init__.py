"""What can be typed after ``doors``: a file for each command. Nothing here is heavy."""
