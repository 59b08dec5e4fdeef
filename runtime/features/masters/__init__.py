"""Masters: settings on five levels, rows of code tables, retention, and formats of numbers."""
