"""Scores and labels of neurons: a model's arrays are read by the probes."""
