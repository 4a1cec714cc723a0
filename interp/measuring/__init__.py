"""Accuracies, effects, curves and controls of a network at one site."""
