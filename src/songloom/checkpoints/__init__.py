"""Model files: from a name to files, from files to networks, and back."""
