"""Settings of all tests, and small networks that several of them use."""

# ruff: noqa: E402 - our own modules are imported after what must be in place before them
import gc
import os
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from jaxtyping import install_import_hook

gc.disable()  # until all is collected: a million objects that stay are not searched for garbage again and again
sys.dont_write_bytecode = False  # each of the processes that tests start would compile both packages again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test waits for a network
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads make busy machines twenty times slower
if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each worker, also of what it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
UNCHECKED = {  # compiled by numba, which needs bare functions
    "interp.measuring.kernels",
    "interp.measuring.rival_kernels",
    "interp.measuring.suffix_kernels",
}
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for package in ("interp", "probes")
    for file in (ROOT / package).rglob("*.py")
    if file.name != "__init__.py"
}
install_import_hook(sorted(MODULES - UNCHECKED), "typechecking.checked")

import pytest
import torch
from browser import browser, page  # noqa: F401 - fixtures
from hypothesis import settings
from torch import nn

from interp.models import HookedMLP, MLPConfig

# The same examples on every run, so that a change is judged by itself; `HYPOTHESIS_PROFILE=search` looks for new ones.
settings.register_profile("grokscope", deadline=None, max_examples=60, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "grokscope"))

VOCAB, OUTPUTS = 5, 4


def pytest_collection_finish() -> None:
    """Leave modules and tests out of every later search for garbage: a sixth of the run's processor time."""
    gc.collect()
    gc.freeze()
    gc.enable()


def cubic(x: torch.Tensor) -> torch.Tensor:
    """An activation that is not built in."""
    return x**3 - x


CONFIGS = {
    f"{depth}-{activation}-{norm}{'-tied' * tied}{'-bias' * bias}": MLPConfig(
        width=6, depth=depth, activation=activation, tied=tied, bias=bias, norm=norm, dropout=0.25
    )
    for depth, activation, norm, tied, bias in product(
        (2, 3), ("square", "relu", "custom"), ("none", "batch", "layer"), (False, True), (False, True)
    )
}


def hooks_on(model: nn.Module) -> list[str]:
    """The modules that have a hook of any kind."""
    return [
        name
        for name, module in model.named_modules()
        if module._forward_hooks or module._forward_pre_hooks or getattr(module, "fwd_hooks", ())
    ]


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def any_mlp(request: pytest.FixtureRequest) -> Iterator[HookedMLP]:
    """A small MLP of every shape, with no weight or statistic left at 0 or 1; it must end without hooks."""
    activation = cubic if request.param.activation == "custom" else None
    model = HookedMLP(request.param, VOCAB, OUTPUTS, seed=1, activation_fn=activation).eval()
    generator = torch.Generator().manual_seed(2)
    for name, tensor in model.state_dict().items():
        if tensor.ndim:
            tensor.uniform_(0.5 if name.endswith("var") else -0.8, 0.8, generator=generator)
    yield model
    assert hooks_on(model) == []


@pytest.fixture
def mlp() -> Iterator[HookedMLP]:
    """A small MLP with two hidden layers; it must end without hooks."""
    model = HookedMLP(MLPConfig(width=6, depth=3, activation="relu"), VOCAB, OUTPUTS, seed=1).eval()
    yield model
    assert hooks_on(model) == []


@pytest.fixture
def pairs() -> torch.Tensor:
    """Every pair of tokens that the small networks know."""
    return torch.cartesian_prod(torch.arange(VOCAB), torch.arange(VOCAB))
