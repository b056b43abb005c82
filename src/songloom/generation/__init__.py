"""From requests to tracks: sampling, the batching engine, windows for long form."""
