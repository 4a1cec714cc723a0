"""Populations of neurons: communities over training, core neurons of an input, bricks, hyperactive neurons."""
