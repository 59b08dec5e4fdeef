"""The store: the port that everything above it speaks to, and its two adapters."""
