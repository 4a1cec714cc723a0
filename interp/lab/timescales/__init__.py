"""Time constants of units against the timescales of their activity, and against the delays that they serve."""
