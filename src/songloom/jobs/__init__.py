"""The queue: jobs from the moment they are accepted to their results."""
