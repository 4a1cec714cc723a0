"""The study ``contrast``: its settings, its instruments and its figure."""
