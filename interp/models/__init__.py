"""Hooked models, and the protocol that everything above them relies on.

The names are listed in ``__init__.pyi`` and loaded when they are first used: the command line makes options of settings
alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
