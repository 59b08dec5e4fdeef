"""What brings a command from its table to its data: the stream and the workflow."""
