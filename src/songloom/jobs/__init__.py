"""Whole pieces of work, from what a person asks for to what they get."""
