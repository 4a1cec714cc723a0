"""Methods against forgetting, each a small frozen object."""
