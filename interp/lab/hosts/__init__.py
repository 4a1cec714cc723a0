"""Networks with state: what their memory holds, and what it costs to ablate its units, slots or segments."""
