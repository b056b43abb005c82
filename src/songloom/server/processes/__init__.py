"""Helper processes, and the work that they do for the server."""
