"""Foreign dialects: each file of this folder is one, and says so in its ``DIALECT``. No list names them."""

import pkgutil


def dialect_names() -> list[str]:
    """The dialects' names, which are those of their files; none is loaded."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
