"""The study ``diffusion``: its settings, its instruments and its figure."""
