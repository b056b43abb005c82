"""From songs to a data set: labels, captions and tokens."""
