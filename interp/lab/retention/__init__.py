"""Retention: few exposures, their order, and injected facts."""
