"""Tenants: which there are, what state each is in, and where the settings of its roles are looked up."""
