"""Every example in a docstring does what it says."""

import doctest
import importlib
import pkgutil
from types import ModuleType
from typing import Any

import pytest

SKIPPED = {
    "interp.measuring.kernels",
    "interp.measuring.rival_kernels",
    "interp.measuring.suffix_kernels",
}  # numba's dispatchers hide their docstrings, and hold no examples


class Finder(doctest.DocTestFinder):
    """Finds decorated functions too: `contextmanager` and jaxtyping's checks hide where they are from."""

    def _from_module(self, module: ModuleType, object: Any) -> bool:
        return getattr(object, "__module__", None) == module.__name__


def modules() -> list[str]:
    """Every module of both packages."""
    names = []
    for root in ("interp", "probes"):
        package = importlib.import_module(root)
        names += [root, *(info.name for info in pkgutil.walk_packages(package.__path__, f"{root}."))]
    return [name for name in names if name not in SKIPPED and not name.endswith("__main__")]


def examples(name: str) -> list[doctest.DocTest]:
    """The docstrings of a module that have examples, and cover its functions, classes and methods."""
    module = importlib.import_module(name)
    return [test for test in Finder(exclude_empty=True).find(module, name) if test.examples]


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    for test in examples(name):
        runner, failures = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), []
        runner.run(test, out=failures.append)
        assert runner.failures == 0, "".join(failures)


def test_examples_are_found_behind_decorators():
    found = {
        test.name
        for name in ("interp.interventions", "interp.hooks", "probes.labels")
        for test in examples(name)
    }
    assert {"interp.interventions.ablate", "interp.hooks.resolve", "probes.labels.label_neurons"} <= found
