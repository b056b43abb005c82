"""HTTP itself: access, limits, logs, and the forms that all answers share."""
