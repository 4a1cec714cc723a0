"""Tasks: operations modulo p or a user's table, their labels and splits; loaded as ``.pyi`` lists, when first used."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
