"""Is a forgotten skill gone: random labels, their generalisation, probes, relearning, and the refresh step."""
