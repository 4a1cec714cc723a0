"""The study ``influence``: its settings, its instruments and its figure."""
