"""TransformerLens' `HookPoint` and `HookedRootModule`, without the second that its package takes to load.

``import transformer_lens`` loads `transformers` and `datasets` besides, which networks with hooks need nothing of. Here
the two modules of the classes are loaded first, with empty packages in the place of those that hold them, and the empty
packages are taken away again. Whoever imports TransformerLens later, or did before, has the same classes and a whole
package. Where its files are laid out in another way, all of it is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

__all__ = ["HookPoint", "HookedRootModule"]

ROOT = "transformer_lens"
PACKAGES = ("utilities", "conversion_utils")
HELPERS = {"slice": ("Slice", "SliceInput"), "tensors": ("remove_batch_dim",), "devices": ("warn_if_mps",)}
"""Modules of `utilities`, and the names in them that `HookedRootModule` needs."""


@contextmanager
def _empty_packages(places: list[str]) -> Iterator[None]:
    """Packages that hold TransformerLens' modules and run nothing of their own."""
    packages = {ROOT: places} | {
        f"{ROOT}.{name}": [f"{place}/{name}" for place in places] for name in PACKAGES
    }
    for name, path in packages.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = path
    try:
        yield
    finally:
        for name in packages:
            del sys.modules[name]


class _Binding(MetaPathFinder):
    """Has a later import of the whole package know the modules that were loaded before it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name) if name == ROOT else None
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_bind(module: ModuleType) -> None:
                run(module)
                _bind()

            spec.loader.exec_module = run_and_bind  # type: ignore[method-assign]
        return spec


def _bind() -> None:
    """Make each loaded module of TransformerLens an attribute of its package, as if it had been loaded from there."""
    for name in [name for name in sys.modules if name.startswith(f"{ROOT}.")]:
        package, _, own = name.rpartition(".")
        if package in sys.modules and own not in vars(sys.modules[package]):
            setattr(sys.modules[package], own, sys.modules[name])


def _load_classes() -> None:
    """Load the two modules, and nothing else of the package."""
    spec = PathFinder.find_spec(ROOT)
    if ROOT in sys.modules or spec is None or spec.submodule_search_locations is None:
        return
    before = set(sys.modules)
    try:
        with _empty_packages(list(spec.submodule_search_locations)):
            for helper, names in HELPERS.items():
                module = import_module(f"{ROOT}.utilities.{helper}")
                for name in names:
                    setattr(sys.modules[f"{ROOT}.utilities"], name, getattr(module, name))
            import_module(f"{ROOT}.HookedRootModule")
        sys.meta_path.insert(0, _Binding())
    except (
        ImportError,
        AttributeError,
    ):  # other files than expected: the ordinary import below loads them all
        for name in set(sys.modules) - before:
            if name.startswith(ROOT):
                del sys.modules[name]


_load_classes()

from transformer_lens.hook_points import HookPoint  # noqa: E402
from transformer_lens.HookedRootModule import HookedRootModule  # noqa: E402
