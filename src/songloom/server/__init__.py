"""The server: the HTTP interfaces and the page."""
