"""Output classes that each neuron writes for, read from the weights alone."""
