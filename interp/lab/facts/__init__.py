"""Neurons of a language model that carry the facts of one relation."""
