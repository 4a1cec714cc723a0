"""Versions of what an output was made with."""

from __future__ import annotations

import platform
from importlib import metadata

from interp.markup import UNKNOWN

PACKAGES = ("torch", "numpy", "transformer-lens", "plotly")
"""What the numbers and the figures depend on."""


def versions() -> dict[str, str]:
    """Versions of Grokscope, Python, the packages that matter, and the system; a dash where one is not installed."""
    installed = {package: _version(package) for package in PACKAGES}
    own = {"grokscope": _version("grokscope"), "python": platform.python_version()}
    return own | installed | {"system": platform.platform()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return UNKNOWN
