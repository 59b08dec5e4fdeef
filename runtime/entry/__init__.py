"""Where the functions of a stack begin: one app, what Lambda delivers, HTTP, operators."""
