"""What operators ask of the function that works for them: to look, and to repair."""
