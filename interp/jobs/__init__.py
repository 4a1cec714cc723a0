"""Jobs over thousands of checkpoints: what is measured, where the work runs, and what is stored."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
