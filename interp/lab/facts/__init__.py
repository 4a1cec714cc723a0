"""The study ``facts``: its settings, its instruments and its figure."""
