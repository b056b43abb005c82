"""From a data set to a model that sounds like it."""
