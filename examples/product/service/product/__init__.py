"""Products: the example of a whole domain, with a SQL read model and its search."""
