"""What can be heard of a song without any model: tempo, key, dynamics, voice."""
