"""What the server remembers, in a database."""
