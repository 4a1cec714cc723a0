"""Edited facts in a routed side memory: are they answered, also in other words, and is everything else kept."""
