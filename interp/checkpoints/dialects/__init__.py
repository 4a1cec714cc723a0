"""Foreign dialects: each file of this folder is one, and says so in its ``DIALECT``; others are of other packages."""

import pkgutil

from probes.plugins import declared

GROUP = "grokscope.dialects"


def own_names() -> list[str]:
    """Names of the dialects of this folder, which are those of their files; none is loaded."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def dialect_names() -> list[str]:
    """Names of all dialects; none is loaded."""
    own = own_names()
    return [*own, *sorted(set(declared(GROUP)) - set(own))]
