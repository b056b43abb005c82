"""Data sets: uploaded songs, their analysis, and what training on them would take."""
