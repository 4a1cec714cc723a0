"""Analyses of one network or one training run, each with its result."""
