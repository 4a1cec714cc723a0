"""Grids of training runs: each trained, measured, and classified into a phase."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
