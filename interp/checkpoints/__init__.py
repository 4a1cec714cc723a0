"""Checkpoints: the native format, safe reading of strangers' files, and their dialects; loaded as ``.pyi`` lists."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
