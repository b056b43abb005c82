"""Analysis of a song without any model: tempo, key, dynamics, voice."""
