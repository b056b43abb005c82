"""Processes that compute for the server, and nothing that its own process imports."""
