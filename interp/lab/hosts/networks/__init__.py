"""Networks with state; one file each, whose docstring is its line in every list, with its `HOST`."""
