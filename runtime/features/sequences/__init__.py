"""Numbers of documents: counted without duplicates, printed by a format, begun anew with each period."""
