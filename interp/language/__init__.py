"""Memory in language models: opening them, measuring it token by token, finding and removing the neurons that hold it.

Start at `audit`, which puts the rest together; `model` is what every other module is given.
"""
