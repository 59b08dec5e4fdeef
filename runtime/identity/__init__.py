"""Who asks: the invoke context of a request, its user, tenant and roles, and what they may do."""
