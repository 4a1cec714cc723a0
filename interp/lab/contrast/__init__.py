"""Neurons that serve one set of inputs and not another, found without any periodicity."""
