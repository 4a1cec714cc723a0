"""Descriptions of neurons by predicates of their inputs, and their facets."""
