"""Studies: instruments that work on your own networks, and the small experiments they are shown on."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
