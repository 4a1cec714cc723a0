"""The part of an adopted network that knows time: steps put together in caches, and state between calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from interp.hook_points import HookedRootModule
from interp.models.axes import Axes
from interp.models.carried_state import CarriedState, kept_state
from interp.models.site_point import Steps, collecting


class SteppedRoot(HookedRootModule):
    """A root of hook points around a network that may have loops and keep state.

    Attributes:
        module: The network.
        axes: Of each site.
        stateful: Names of what it keeps between calls; None where nobody has looked.
    """

    module: nn.Module
    axes: dict[str, Axes]
    stateful: tuple[str, ...] | None = None
    _start: CarriedState | None = None

    def stepped_sites(self) -> list[str]:
        """Names of the sites that are passed once a step."""
        return [name for name, axes in self.axes.items() if axes.loop is not None]

    def begin_call(self) -> None:
        """Put the state back that every call starts from, where calls are independent."""
        if self._start is not None:
            self._start.restore(self.module)

    @contextmanager
    def independent_calls(self) -> Iterator[None]:
        """Start every call inside the block from the state at its beginning, and put that back at its end."""
        if self._start is not None or self.stateful == ():
            yield
            return
        with kept_state(self.module) as self._start:
            try:
                yield
            finally:
                self._start = None

    def run_with_cache(self, *args: Any, **kwargs: Any) -> Any:
        """As TransformerLens', with the steps of a site in a loop put together, ``(example, step, …)``."""
        steps = {name: Steps() for name in self.stepped_sites()}
        with ExitStack() as stack:
            for name, kept in steps.items():
                stack.callback(self.hook_dict[name].register_forward_hook(collecting(kept)).remove)
            output, cache = super().run_with_cache(*args, **kwargs)
        held = getattr(cache, "cache_dict", cache)
        for name in steps.keys() & held.keys():
            joined = steps[name].joined(name).to(held[name].device)
            held[name] = joined.squeeze(0) if held[name].ndim < joined.ndim - 1 else joined
        return output, cache
