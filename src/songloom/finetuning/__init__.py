"""From songs to a model with a name: prepare, train, compare, publish."""
