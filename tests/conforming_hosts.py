"""The conformance suite of networks with state: every one in the lab has every property, or the table says why not.

``python tests/conforming_hosts.py`` checks all and writes the table of the guide. A network is added by its file in
``interp/lab/hosts/networks`` and its forward pass by hand in ``tests/by_hand``, a file of the same name with
``forward(module, inputs, change)``; ``change(site, step, value)`` is called wherever a site's value arises, and what it
returns is used. ``without(module, site, neurons)`` there is a copy with edited weights in which neurons are 0.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import interp
from interp.checkpoints.options import OpenOptions
from interp.errors import InterventionError
from interp.interventions import Edit, bake, intervene
from interp.lab.hosts.host import HOSTS, Host, host_called
from interp.models import NeuronSite
from interp.models.adopted import Adopted
from interp.modes import Scale, Zero

PAGE = Path(__file__).parents[1] / "notebooks" / "guide" / "hosts.md"
BLOCK = re.compile(r"(?<=<!-- conformance -->\n).*?(?=<!-- end -->)", re.DOTALL)
CLOSE = {"rtol": 0.0, "atol": 1e-6}
Record = dict[str, dict[int | None, Tensor]]


class Case:
    """One network with random weights, adopted, with its forward pass by hand."""

    def __init__(self, name: str) -> None:
        self.name, self.host = name, host_called(name)
        self.inputs = self.host.example()
        self.module = self.host.build(0).eval()
        self.model = self.adopted(self.module)
        self.hand: ModuleType = import_module(f"by_hand.{name.replace('-', '_')}")

    def adopted(self, module: nn.Module) -> Adopted:
        """A module with this network's hook points."""
        host: Host = self.host
        return interp.adopt(module, host.sites, example=self.inputs, **host.settings)

    def by_hand(self, change: Callable[[str, int | None, Tensor], Tensor]) -> Tensor:
        """Logits of the forward pass by hand; the module is left as it was."""
        with torch.no_grad():
            return self.hand.forward(copy.deepcopy(self.module), self.inputs, change)

    def recorded(self) -> tuple[Tensor, Record]:
        """Logits by hand, and the value of every site at every step."""
        record: Record = {}

        def keep(site: str, step: int | None, value: Tensor) -> Tensor:
            record.setdefault(site, {})[step] = value.detach().clone()
            return value

        return self.by_hand(keep), record

    def logits(self) -> Tensor:
        """Logits through the hook points, from the state that the network has."""
        with interp.hooks.evaluation_mode(self.model):
            return self.model(self.inputs)

    @property
    def sites(self) -> dict[str, NeuronSite]:
        return {site.hook: site for site in self.model.neuron_sites()}

    def chosen(self, site: NeuronSite) -> np.ndarray:
        """About a third of a site's units."""
        return np.arange(0, site.width, 3)

    def steps(self, site: NeuronSite) -> int | None:
        """How many steps a site has; None where it has no time axis."""
        axis = site.time_axis
        if axis is None:
            return None
        activations = interp.capture(self.model, self.inputs, site.hook)[site.hook]
        return activations.movedim(site.axis, -1).shape[axis]

    def changed_by_hand(self, site: NeuronSite, factor: float, inside: np.ndarray | None) -> Tensor:
        """Logits by hand with units times a factor, at some steps or at all."""
        own, units = base(site.hook), torch.as_tensor(self.chosen(site))

        def change(name: str, step: int | None, value: Tensor) -> Tensor:
            if name != own or (site.loop is not None and inside is not None and not inside[step or 0]):
                return value
            changed = value.clone().movedim(site.axis, -1)
            changed[..., units] *= factor
            changed = changed.movedim(-1, site.axis)
            if inside is None or site.loop is not None:
                return changed
            place = next(
                site.axes.index(axis) for axis in ("time", "segment", "position") if axis in site.axes
            )
            mask = torch.as_tensor(inside).reshape([-1 if i == place else 1 for i in range(value.ndim)])
            return torch.where(mask, changed, value)

        return self.by_hand(change)


def base(hook: str) -> str:
    """A site's name without the axis that counts its units."""
    return re.sub(r"^(tap:[\w.]+)\[[A-Za-z_]\w*\]$", r"\1", hook)


def axes_declared(case: Case) -> None:
    """Every site names its axes, and captures have them."""
    captured = interp.capture(case.model, case.inputs, list(case.sites))
    for hook, site in case.sites.items():
        shape = captured[hook].shape
        assert len(site.axes) == len(shape), (hook, site.axes, shape)
        assert site.axes[0] == "example", site.axes
        assert shape[0] == len(case.inputs), shape
        assert shape[site.axis] == site.width, (hook, shape)
        assert site.loop is None or site.axes[1] == site.loop, site.axes


def capture_equals_hand(case: Case) -> None:
    """Captures and logits equal the forward pass by hand, bit for bit."""
    logits, record = case.recorded()
    captured = interp.capture(case.model, case.inputs, list(case.sites))
    assert torch.equal(case.logits(), logits), "logits"
    for hook, tensor in captured.items():
        steps = record[base(hook)]
        one = None in steps
        by_hand = steps[None] if one else torch.stack([steps[i] for i in range(len(steps))], 1)
        assert torch.equal(tensor, by_hand), hook


def identity_changes_nothing(case: Case) -> None:
    """Hooks that return what they are given leave the logits as they are, bit for bit, and near the plain module's."""
    with torch.no_grad():
        plain = copy.deepcopy(case.module)(case.inputs)
        logits = case.logits()
        with interp.hooks.hooked(case.model, dict.fromkeys(case.sites, lambda x: x.clone())):
            assert torch.equal(case.logits(), logits)
    plain = plain if plain.ndim == 2 else plain[:, -1]
    torch.testing.assert_close(logits, plain, **CLOSE)


def contents(model: Adopted) -> dict[str, Any]:
    """Hooks, attributes and weights of a module and all its submodules, as texts and copies."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return {
        name: (
            sorted(vars(inner)),
            [len(getattr(inner, kind)) for kind in kinds],
            {key: None if one is None else one.clone() for key, one in inner._buffers.items()},
            {key: None if one is None else one.detach().clone() for key, one in inner._parameters.items()},
        )
        for name, inner in model.named_modules()
    }


def equal_contents(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and torch.equal(first, second)
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(equal_contents(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal_contents, first, second))
    return bool(first == second)


def hooks_leave_nothing(case: Case) -> None:
    """Captures and ablations leave hooks, attributes, buffers and weights as they were, after an error too."""
    before = contents(case.model)
    interp.capture(case.model, case.inputs, list(case.sites))
    for site in case.sites.values():
        with interp.ablate(case.model, [0], site=site.hook):
            case.logits()

        def fail(_: Tensor) -> None:
            raise ZeroDivisionError

        try:
            with interp.hooks.hooked(case.model, {site.hook: fail}):
                case.logits()
        except ZeroDivisionError:
            pass
        else:
            raise AssertionError(f"{site.hook} was not reached")
    assert equal_contents(contents(case.model), before)


def calls_carry_state(case: Case) -> str | None:
    """Two calls give what they give without hooks, and captures of the second go on from the first."""
    other = case.inputs.flip(0)
    plain, hooked = copy.deepcopy(case.module), case.adopted(copy.deepcopy(case.module))
    with torch.no_grad():
        expected = [plain(case.inputs), plain(other)]
        with interp.hooks.hooked(hooked, dict.fromkeys(case.sites, lambda x: x.clone())):
            logits = [hooked(case.inputs), hooked(other)]
    for one, two in zip(expected, logits, strict=True):
        torch.testing.assert_close(two, one if one.ndim == 2 else one[:, -1], **CLOSE)
    again = case.adopted(copy.deepcopy(case.module))
    with torch.no_grad():
        interp.capture(again, case.inputs, list(case.sites), carry=True)
        torch.testing.assert_close(again(other), logits[1], **CLOSE)
    fresh = case.adopted(copy.deepcopy(case.module))
    first, second = (interp.capture(fresh, other, list(case.sites)) for _ in range(2))
    assert equal_contents(first, second)
    return "yes" if hooked.stateful else "no state"


def ablation_in_time(case: Case) -> str | None:
    """Units at 0, and times one half, at some steps and at all, equal the same by hand."""
    timed = False
    for site in case.sites.values():
        n = case.steps(site)
        scopes: list[np.ndarray | None] = [None]
        if n is not None:
            middle = np.zeros(n, dtype=bool)
            middle[n // 3 : max(n // 3 + 1, 2 * n // 3)] = True
            scopes.append(middle)
            timed = True
        for inside in scopes:
            for factor, intervention in ((0.0, Zero()), (0.5, Scale(0.5))):
                edit = Edit(site.hook, case.chosen(site), intervention, inside)
                with intervene(case.model, edit):
                    logits = case.logits()
                by_hand = case.changed_by_hand(site, factor, inside)
                torch.testing.assert_close(logits, by_hand, **CLOSE, msg=f"{site.hook} {factor} {inside}")
    return "yes" if timed else "no time axis"


def zero_equals_weights(case: Case) -> str | None:
    """Ablating units equals a copy with edited weights, where the file by hand has one."""
    without = getattr(case.hand, "without", None)
    names = []
    for site in case.sites.values():
        edited = None if without is None else without(case.module, base(site.hook), case.chosen(site))
        if edited is None:
            continue
        with torch.no_grad():
            expected = edited(case.inputs)
            with interp.ablate(case.model, case.chosen(site), site=site.hook):
                logits = case.logits()
        torch.testing.assert_close(logits, expected if expected.ndim == 2 else expected[:, -1], **CLOSE)
        names.append(f"`{base(site.hook)}`")
    return ", ".join(dict.fromkeys(names)) or "not defined"


def edits_are_saved(case: Case) -> str | None:
    """A copy with the ablation in its weights answers alike; where there is none, the error says to leave it hooked."""
    names = []
    for site in case.sites.values():
        edit = Edit(site.hook, case.chosen(site), Zero())
        try:
            twin = bake(case.model, edit)
        except InterventionError as error:
            if not re.search("hooked|what can be saved", str(error)):
                raise
            continue
        with intervene(case.model, edit):
            expected = case.logits()
        with interp.hooks.evaluation_mode(twin):
            torch.testing.assert_close(twin(case.inputs), expected, **CLOSE)
        names.append(f"`{site.hook}`")
    return ", ".join(names) or "hooks only"


class Reshaped(nn.Module):
    """A network that reads a row of a table."""

    def __init__(self, network: nn.Module, shape: tuple[int, ...], whole: bool) -> None:
        super().__init__()
        self.network, self.shape, self.whole = network, shape, whole

    def forward(self, rows: Tensor) -> Tensor:
        inputs = rows.reshape(len(rows), *self.shape)
        return self.network(inputs.long() if self.whole else inputs)


MODEL = """
from conforming_hosts import reshaped

def build():
    return reshaped({name!r})
"""


def reshaped(name: str) -> nn.Module:
    """A network of the lab that reads a row of a table."""
    host = host_called(name)
    inputs = host.example()
    return Reshaped(host.build(0), tuple(inputs.shape[1:]), not inputs.is_floating_point())


def batch_measures(case: Case) -> None:
    """A batch job opens its weights, scores its neurons, and takes them out as `interp.remove` does."""
    with TemporaryDirectory() as place, warnings.catch_warnings():
        folder = Path(place)
        torch.save(reshaped(case.name).state_dict(), folder / "net.pt")
        (folder / "net.py").write_text(MODEL.format(name=case.name))
        logits = case.logits()
        rows = case.inputs.flatten(1).repeat(4, 1)
        labels = logits.argmax(1).repeat(4)
        names = [f"x{i}" for i in range(rows.shape[1])]
        lines = [
            ",".join(map(repr, [*row.tolist(), int(label), "train" if i % 2 else "test"])).replace("'", "")
            for i, (row, label) in enumerate(zip(rows, labels, strict=True))
        ]
        (folder / "rows.csv").write_text("\n".join([",".join([*names, "label", "split"]), *lines]) + "\n")
        *_, site = case.sites.values()
        hook = site.hook if site.hook.startswith("tap:") else f"network.{site.hook}"
        own = {"model": f"{folder / 'net.py'}:build", "sites": (hook,), "table": str(folder / "rows.csv")}
        options = OpenOptions(**own, **case.host.settings)
        settings: dict[str, Any] = {"measure": "causal", "n_random": 2, "workers": 1, "outliers": 0}
        result = interp.batch(str(folder / "net.pt"), folder / "store", options=options, **settings)
        (row,) = result.store.checkpoints.to_pylist()
        assert row["error"] is None, row["error"]
        assert row["neurons"] == site.width, row["neurons"]
        assert row["accuracy_all"] == 1.0, row["accuracy_all"]


PROPERTIES: dict[str, Callable[[Case], str | None]] = {
    "axes": axes_declared,
    "capture": capture_equals_hand,
    "identity": identity_changes_nothing,
    "nothing left": hooks_leave_nothing,
    "two calls": calls_carry_state,
    "ablated in time": ablation_in_time,
    "zero is edited weights": zero_equals_weights,
    "saved in weights": edits_are_saved,
    "batch": batch_measures,
}


def cell(case: Case, check: Callable[[Case], str | None]) -> str:
    """What the table says of a property; an error if the network does not have it."""
    return check(case) or "yes"


def line(name: str) -> str:
    """The table's line of one network."""
    case = Case(name)
    sites = ", ".join(f"`{hook}` ({', '.join(site.axes[1:])})" for hook, site in case.sites.items())
    cells = [
        f"`{name}`",
        HOSTS[name].rstrip("."),
        sites,
        *(cell(case, check) for check in PROPERTIES.values()),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Check every network, and write the table."""
    heads = ("host", "network", "sites (axes after the examples)", *PROPERTIES)
    rows = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *map(line, HOSTS)]
    text = PAGE.read_text()
    PAGE.write_text(BLOCK.sub(lambda _: "\n".join(rows) + "\n", text))


if __name__ == "__main__":
    main()
