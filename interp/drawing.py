"""From results to the presenters above them: figures and pages are named here, and loaded only when they are asked for.

Results import no presenter, so that measuring something loads neither Plotly nor a page; yet
``curve.plot()`` is what users expect.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar


def present(name: str, *args: Any, **settings: Any) -> Any:
    """Call a presenter by its name below ``interp``.

    Args:
        name: Such as ``"plots.ablation.ablation_curve"``.
        args: What it presents.
        settings: Its other arguments.
    """
    module, _, function = name.rpartition(".")
    return getattr(import_module(f"interp.{module}"), function)(*args, **settings)


class Drawable:
    """A result that one figure shows, in Python as ``plot()`` and in a notebook as the last value of a cell."""

    figure: ClassVar[str]
    """The function that draws it: its name below `interp`, as `present` takes it."""

    def plot(self) -> Any:
        """The result as a Plotly figure."""
        return present(self.figure, self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Figure and text as a notebook shows them; the text alone where figures would open in a browser.

        Args:
            include: Kinds of output that are wanted; all if None.
            exclude: Kinds that are not.
        """
        from plotly import io

        bundle: dict[str, Any] = {"text/plain": repr(self)}
        default = str(io.renderers.default or "").split("+")
        renderers = [io.renderers[name] for name in default if name in io.renderers]
        if renderers and all(hasattr(renderer, "to_mimebundle") for renderer in renderers):
            bundle = self.plot()._repr_mimebundle_() | bundle
        return {
            kind: content
            for kind, content in bundle.items()
            if (include is None or kind in include) and (exclude is None or kind not in exclude)
        }
