"""The study ``induction``: its settings, its instruments and its figure."""
