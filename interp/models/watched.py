"""Runs of a network whose tensors are watched: with an example more, and with a position less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from interp.errors import ConfigError
from interp.models.axes import Axes, axes_by_kind, keeps_axes
from interp.models.carried_state import kept_state
from interp.models.module_tensor import ModuleTensor, Passage, changing_tensors
from interp.models.nested import tensors_in
from interp.models.prompt import Prompt
from interp.models.taps import Tap

Shape = tuple[int, ...]
Call = Callable[[nn.Module, Tensor], Any]


@dataclass(frozen=True)
class Seen:
    """A tensor that passed while the network ran.

    Attributes:
        axes: As the kind of its module tells.
        tensor: The tensor itself, which one module may give and the next one read.
        site: Whether it is a site's; else it is only near one.
        tap: Of a site that is a tap, the axes that it names.
    """

    name: str
    shape: Shape
    axes: Axes
    site: bool = False
    tensor: Tensor | None = None
    tap: Tap | None = None

    @property
    def axis(self) -> int | None:
        """The index from 0 of the axis that counts neurons, as far as the kind of module tells."""
        axis = self.axes.axis
        return (
            None if axis is None or not -len(self.shape) <= axis < len(self.shape) else axis % len(self.shape)
        )


@dataclass(frozen=True)
class Run:
    """Shapes of a forward pass on some examples.

    Attributes:
        seen: Tensors of sites, and of submodules whose kind tells an axis, in the order in which they passed.
        links: What activation functions, dropout and the like read, and what they give.
        steps: How often each site was passed.
        changed: Names of the state that the network keeps from this run, which was put back after it.
    """

    examples: int
    positions: int | None
    seen: list[Seen] = field(default_factory=list)
    links: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)

    def shapes(self) -> dict[str, Shape]:
        """The shape of each site's tensor."""
        return {one.name: one.shape for one in self.seen if one.site}

    def alike(self, tensor: Tensor | None) -> set[int]:
        """Identities of tensors with the axes of this one, as only activation functions and the like are between."""
        known, before = {id(tensor)}, 0
        while len(known) > before:
            before = len(known)
            known |= {id(one) for pair in self.links for one in pair if known & {id(pair[0]), id(pair[1])}}
        return known

    @contextmanager
    def watching(
        self, module: nn.Module, sites: Mapping[str, Axes]
    ) -> Iterator[Callable[[str, Tensor, Passage], None]]:
        """Note submodules' tensors while the network runs inside the block; sites' are noted by calling the result.

        Of a site in a loop the first step counts.
        """

        def note(name: str, axes: Axes, _: nn.Module, args: Any, output: Any = None) -> None:
            passed = args if output is None else output
            self.seen.extend(
                Seen(name, tuple(tensor.shape), axes, tensor=tensor)
                for _, tensor in islice(tensors_in(passed), 1)
            )

        def note_site(name: str, tensor: Tensor, passage: Passage) -> None:
            self.steps[name] = self.steps.get(name, 0) + 1
            if self.steps[name] == 1:
                shape, axes = tuple(tensor.shape), sites[name]
                self.seen.append(Seen(name, shape, axes, site=True, tensor=tensor, tap=passage.tap))

        def link(_: nn.Module, args: Any, output: Any) -> None:
            pairs = zip(tensors_in(args), tensors_in(output), strict=False)
            self.links.extend((before, after) for (_, before), (_, after) in islice(pairs, 1))

        with ExitStack() as stack:
            for path, inner in module.named_modules():
                if keeps_axes(inner):
                    stack.callback(inner.register_forward_hook(link).remove)
                places = [ModuleTensor(path, side) for side in ("input", "output")]
                adders = (inner.register_forward_pre_hook, inner.register_forward_hook)
                for place, add in zip(places, adders, strict=True):
                    axes = axes_by_kind(inner, place)
                    if axes.axis is not None and not axes.example_axis:
                        stack.callback(add(partial(note, str(place), axes)).remove)
            yield note_site


@dataclass(frozen=True)
class Watched:
    """A network and its sites, to be run while its tensors are watched.

    Attributes:
        call, prompt: As `interp.adopt` takes them.
        tensors: The sites.
        axes: Of the sites, as far as the kinds of their modules tell.
    """

    module: nn.Module
    call: Call
    prompt: Prompt | None
    tensors: Mapping[str, ModuleTensor]
    axes: Mapping[str, Axes]

    def run(self, inputs: Tensor, positions: slice = slice(None)) -> tuple[Run, Any]:
        """Shapes as the network runs on some inputs, at all their positions or at some, and what it returns.

        Raises:
            ConfigError: A site holds whole numbers.
        """
        tokens = self._given(inputs)
        many = tokens.ndim == 2 and not tokens.is_floating_point()
        tokens = tokens if positions == slice(None) else tokens[:, positions]
        run = Run(len(inputs), tokens.shape[1] if many else None)
        with run.watching(self.module, self.axes) as note:

            def noted(site: str, tensor: Tensor, passage: Passage) -> Tensor:
                if not tensor.is_floating_point():  # of complex numbers a part is shown
                    raise ConfigError(
                        f"{site!r} holds {tensor.dtype} numbers, such as tokens, and no activations"
                    )
                note(site, tensor, passage)
                return tensor

            loops = {name for name, axes in self.axes.items() if axes.loop is not None}
            with kept_state(self.module) as state:
                with changing_tensors(self.module, self.tensors, noted, loops):
                    output = self.call(self.module, tokens)
                run.changed.extend(state.changed(self.module))
                return run, output

    def with_one_more(self, example: Tensor) -> tuple[Run, Any]:
        """As `run`, with the last example once more before all others."""
        return self.run(torch.cat([example[-1:], example]))

    def with_fewer_positions(self, example: Tensor) -> Run | None:
        """As `run`, on all positions but the last; None if there are none, or the network takes no fewer."""
        tokens = self._given(example)
        if tokens.ndim != (3 if tokens.is_floating_point() else 2) or tokens.shape[1] < 2:
            return None
        try:
            return self.run(example, slice(-1))[0]
        except Exception:  # the user's own code may raise anything where it does not take fewer
            return None

    def _given(self, inputs: Tensor) -> Tensor:
        return inputs if self.prompt is None else self.prompt(inputs)


def same_rows(first: Tensor, second: Tensor) -> bool:
    """True if two tensors hold the same numbers, up to rounding.

    Example:
        >>> same_rows(torch.ones(2), torch.ones(2) + 1e-7), same_rows(torch.ones(2), torch.zeros(2))
        (True, False)
    """
    if first.shape != second.shape:
        return False
    scale = float(first.abs().max()) if first.numel() else 0.0
    return bool(torch.allclose(first, second, rtol=1e-3, atol=1e-4 * scale, equal_nan=True))
