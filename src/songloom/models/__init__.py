"""The networks: torch modules that know no files and print nothing."""
