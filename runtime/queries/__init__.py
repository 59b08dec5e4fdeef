"""The read side of a module: the latest state, its history, and reading one's own writes."""
