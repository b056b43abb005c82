"""Records as the JSON, or the files, that clients are given."""
