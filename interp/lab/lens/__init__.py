"""The study ``lens``: its settings, its instruments and its figure."""
