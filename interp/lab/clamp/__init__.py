"""The study ``clamp``: its settings, its instruments and its figure."""
