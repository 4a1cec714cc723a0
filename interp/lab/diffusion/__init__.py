"""Neurons of a denoising network that carry memorised images, and what is left without them."""
