"""Grids of training runs: each trained, measured, and classified into a phase."""
