"""The SQL helpers, on a real PostgreSQL and on SQLite; what MySQL is sent."""
