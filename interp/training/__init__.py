"""The one training loop: seeded, resumable to the bit, and safe to kill; for one network or many of one shape."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
