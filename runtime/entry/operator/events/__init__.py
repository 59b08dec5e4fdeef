"""What operators ask of modules that keep events."""
