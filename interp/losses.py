"""Losses by name; a leaf, so that the command line can check one before PyTorch is loaded."""

LOSSES = ("mse", "cross_entropy")
