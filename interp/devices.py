"""Where to compute."""

from __future__ import annotations

import torch

from interp.errors import ConfigError


def resolve_device(name: str | torch.device) -> torch.device:
    """A device that exists here.

    Args:
        name: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or ``"auto"`` for the fastest there is.

    Raises:
        ConfigError: The device is not available.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    available = ["cpu"]
    available += ["mps"] if torch.backends.mps.is_available() else []
    available += ["cuda"] if torch.cuda.is_available() else []
    if name == "auto":
        return torch.device(available[-1])
    if str(name).partition(":")[0] not in available:
        raise ConfigError(
            f"the device {str(name)!r} is not available here; expected auto or one of {', '.join(available)}"
        )
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):
        raise ConfigError(f"the device {str(name)!r} does not exist here") from None
