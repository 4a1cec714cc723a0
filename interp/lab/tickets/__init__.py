"""The study ``tickets``: its settings, its instruments and its figure."""
