"""The axes of sites and of the logits, learnt from runs with more examples and with fewer positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from interp.errors import ConfigError, HookNameError
from interp.models.axes import Axes
from interp.models.module_tensor import ModuleTensor
from interp.models.protocol import STEPS
from interp.models.watched import Run, Seen, Shape

MOST_AXES = 5


@dataclass(frozen=True)
class Learnt:
    """A site's axes, and a sentence about the choice where there was one."""

    axes: Axes
    note: str | None = None


def example_axis(name: str, shape: Shape, more: Shape, examples: int) -> int:
    """The axis of a tensor that counts examples: it has one more if they are one more.

    Raises:
        HookNameError: There is none.

    Example:
        >>> example_axis("out", (3, 4, 9), (3, 5, 9), 4)
        1
    """
    if len(shape) == len(more):
        for axis, (length, longer) in enumerate(zip(shape, more, strict=True)):
            if (length, longer) == (examples, examples + 1):
                return axis
    raise HookNameError(
        f"{name!r} has shape {shape} for {examples} examples and {more} for {examples + 1}: none of its axes counts "
        "them. Choose a site where the examples are not mixed"
    )


def learn_axes(
    few: Run, more: Run, fewer: Run | None, given: Mapping[str, tuple[int, ...]], readout: int
) -> dict[str, Learnt]:
    """The axes of every site.

    Which axis counts neurons is what the user gave, or what the kind of the site's module tells; else the only one
    that counts neither examples nor positions; else that of a neighbour, a submodule run just before or after: of one
    with the same shape, of one with as many channels, or the two that together are as wide as the neighbour, as heads
    and their dimension are.

    Args:
        few: A run on the example.
        more: The same with an example more.
        fewer: The same with a position less; None if the network does not take that.
        given: Axes of a site's own tensor that the user gave: one, or two to be merged.
        readout: The position that the answer is read at.

    Raises:
        ConfigError: Nothing decides; the message names the shape and the option. HookNameError: no axis counts
            examples.
    """
    longer, shorter = more.shapes(), {} if fewer is None else fewer.shapes()
    learnt = {}
    for place, one in enumerate(few.seen):
        if not one.site:
            continue
        if one.tap is not None or one.axes.layout:
            axes = _declared(one, few, readout)
            learnt[one.name] = Learnt(axes, _loop_note(one.name, axes))
            continue
        if not 1 < len(one.shape) <= MOST_AXES:
            raise ConfigError(
                f"{one.name!r} has shape {one.shape}; expected examples, neurons, and at most {MOST_AXES} axes"
            )
        examples = example_axis(one.name, one.shape, longer[one.name], few.examples)
        positions = _positions(one.shape, shorter.get(one.name), examples)
        by_distance = sorted(range(len(few.seen)), key=lambda i: (abs(i - place), i))
        near = Near([few.seen[i] for i in by_distance if not few.seen[i].site], few.alike(one.tensor))
        as_long = {i for i, n in enumerate(one.shape) if n == few.positions and i != examples}
        chosen, reason = _neurons(one, examples, positions, as_long, near, given.get(one.name))
        nothing_tells = fewer is None and few.positions is None
        axes = _axes(one, examples, None if nothing_tells else positions | as_long, chosen, readout)
        if axes.loop is not None:
            axes = _read_at(axes, few.steps[one.name], readout)
        own = one.axes.axis is not None and chosen == (one.axis,)
        note = f"{one.name}, {one.shape}, is read as ({', '.join(axes.layout)}): {reason}" if reason else None
        noted = [note for note in (note, _loop_note(one.name, axes)) if note]
        learnt[one.name] = Learnt(replace(axes, of_weights=own), "; ".join(noted) or None)
    return learnt


def _declared(one: Seen, few: Run, readout: int) -> Axes:
    """The axes of a tap, which names them, or of a recurrent layer's state, whose kind does."""
    steps = few.steps[one.name]
    if one.tap is None:
        return _read_at(one.axes, steps, readout)
    names, unit = one.tap.axes, ModuleTensor.parse(one.name).unit
    unit = unit or ("neuron" if "neuron" in names else names[-1])
    if unit not in names[1:]:
        raise HookNameError(
            f"the tap {one.tap.name!r} has no axis {unit!r} that could count units; its axes are {' '.join(names)}"
        )
    if one.shape[0] != few.examples:
        raise HookNameError(
            f"the tap {one.tap.name!r} is given shape {one.shape} for {few.examples} examples; its first axis must "
            "count them"
        )
    place = names.index(unit)
    axes = Axes(one.shape[place], place - len(names), layout=names, of_weights=False, loop=one.tap.loop)
    if axes.loop is not None:
        return _read_at(axes, steps, readout)
    if len(names) > 2 and place > 1 and names[1] in STEPS:
        return _read_at(axes, one.shape[1], readout)
    return axes


def _read_at(axes: Axes, length: int, readout: int) -> Axes:
    """Axes with so many steps; scores are taken from the one that the answer is read at, if there is such a one."""
    return replace(axes, length=length, position=_place_read(length, readout))


def _place_read(length: int, readout: int) -> int | None:
    """The place that the answer is read at, from 0; None if there is no such one."""
    return readout % length if -length <= readout < length else None


def _loop_note(name: str, axes: Axes) -> str | None:
    """A sentence about a site that is passed once a step."""
    if axes.loop is None:
        return None
    scored = "their mean" if axes.position is None else f"step {axes.position}"
    return (
        f"{name} is passed {axes.length} times, once a step, and read as ({', '.join(axes.names)}): scores are of "
        f"{scored}, and interventions act inside the loop"
    )


def _positions(shape: Shape, shorter: Shape | None, examples: int) -> set[int]:
    """Axes that count positions: shorter where positions are fewer."""
    if shorter is None or len(shorter) != len(shape):
        return set()
    return {i for i, (a, b) in enumerate(zip(shape, shorter, strict=True)) if a != b and i != examples}


@dataclass(frozen=True)
class Near:
    """Tensors of submodules that run near a site, the nearest first.

    Attributes:
        same: Identities of tensors that have the site's axes, see `Run.alike`.
    """

    seen: list[Seen]
    same: set[int]

    def of_its_shape(self, shape: Shape, free: list[int]) -> Seen | None:
        """The nearest one whose axes a site of this shape has; None if there is none, or equal lengths leave doubt."""
        alike = [other for other in self.seen if other.shape == shape and other.axis in free]
        linked = [other for other in alike if id(other.tensor) in self.same]
        lengths = [shape[axis] for axis in free]
        sure = linked or [other for other in alike if lengths.count(shape[other.axis or 0]) == 1]
        return sure[0] if sure and len({other.axis for other in sure}) == 1 else None

    def as_wide(self, shape: Shape, free: list[int], left: list[int]) -> tuple[tuple[int, ...], str] | None:
        """The axis that is as long as a neighbour is wide, or the two that are together, and why.

        Args:
            free: Axes that may count neurons.
            left: Those of them that are not as long as the tokens are many.
        """
        for other in self.seen:
            wide = [axis for axis in left if shape[axis] == other.axes.width]
            if len(wide) == 1:
                return (wide[0],), f"as many as {other.name} has"
            for pair in (free, left):
                if len(pair) == 2 and _merge(shape, other, pair):
                    heads, dimension = (shape[axis] for axis in pair)
                    return tuple(pair), f"{heads} × {dimension}, as {other.name} has {heads * dimension}"
        return None


def _neurons(
    one: Seen,
    examples: int,
    positions: set[int],
    as_long: set[int],
    near: Near,
    given: tuple[int, ...] | None,
) -> tuple[tuple[int, ...], str | None]:
    """The axes of a tensor that count neurons, and the reason, where shape or module leaves a choice."""
    n = len(one.shape)
    if given is not None:
        return _given(one, examples, given), "as was given"
    only_kind = one.axes.width is None and one.axis in positions  # such as a pooling layer over other axes
    if one.axes.axis is not None and not only_kind:
        return _told_by_kind(one, examples), None
    free = [axis for axis in range(n) if axis != examples and axis not in positions]
    if one.axes.width is not None:
        free = [axis for axis in free if one.shape[axis] == one.axes.width]
    if len(free) == 1:
        odd = n > 3 or examples or free[0] != n - 1
        return (free[0],), "the only axis that counts neither examples nor positions" if odd else None
    alike = near.of_its_shape(one.shape, free)
    if alike is not None and alike.axis is not None:
        return (alike.axis,), f"as {alike.name}, which has that shape" if n > 3 else None
    left = [axis for axis in free if axis not in as_long]
    if not any(other.shape == one.shape for other in near.seen) and (
        wide := near.as_wide(one.shape, free, left)
    ):
        return wide
    if len(left) == 1:
        return (left[0],), "the others count examples, or are as long as the tokens are many"
    counts = " and ".join(str(axis) for axis in free) or "none"
    raise ConfigError(
        f"nothing tells which axis of {one.name!r}, with shape {one.shape}, counts its neurons: axis {examples} counts "
        f"examples, {', '.join(map(str, sorted(positions))) or 'none'} positions, and {counts} may count neurons. Say "
        "it, with axis=-1 in Python or --axis=-1 (or two axes that count them together, such as heads and their "
        "dimension: -2,-1)"
    )


def _merge(shape: Shape, other: Seen, free: list[int]) -> bool:
    """True if two axes together are as wide as a neighbour, whose other axes are the tensor's other ones."""
    rest = [n for axis, n in enumerate(shape) if axis not in free]
    others = [n for axis, n in enumerate(other.shape) if axis != other.axis]
    return other.axes.width == prod(shape[axis] for axis in free) and sorted(rest) == sorted(others)


def _given(one: Seen, examples: int, given: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that a user gave, counted from 0."""
    n = len(one.shape)
    own = tuple(axis % n for axis in given if -n <= axis < n)
    if len(own) < len(given) or examples in own or len(set(own)) < len(own):
        raise ConfigError(
            f"axis {', '.join(map(str, given))} of {one.name!r} was given to count neurons; its shape is {one.shape}, "
            f"and axis {examples} counts examples. Name other axes of these, each once"
        )
    return own


def _told_by_kind(one: Seen, examples: int) -> tuple[int]:
    axis = one.axis
    if axis is None or axis == examples:
        raise ConfigError(
            f"{one.name!r} has shape {one.shape}; axis {one.axes.axis}, which counts the neurons of this kind of "
            f"module, {'does not exist' if axis is None else 'counts examples'}. Say which counts neurons, with axis= "
            "or --axis"
        )
    if one.axes.width not in (None, one.shape[axis]):
        raise ConfigError(
            f"{one.name!r} has shape {one.shape}; axis {one.axes.axis} should count its {one.axes.width} neurons"
        )
    return (axis,)


def _axes(
    one: Seen, examples: int, positions: set[int] | None, neurons: tuple[int, ...], readout: int
) -> Axes:
    """The axes as a hook point shows them: examples first, and neurons that two axes count last.

    Where nothing tells positions (None), they are on the second of three axes, if the last one counts neurons.
    """
    shape, n = one.shape, len(one.shape)
    order = [examples, *(axis for axis in range(n) if axis != examples)]
    merged = None
    if len(neurons) > 1:
        order = [*(axis for axis in order if axis not in neurons), *neurons]
        merged = (shape[neurons[0]], shape[neurons[1]])
    axis = -1 if merged else order.index(neurons[0]) - n
    second = order[1]
    n_shown = n - (merged is not None)
    usual = n_shown == 3 and axis == -1
    counts_positions = second not in neurons and (usual if positions is None else second in positions)
    position, length = one.axes.position, None
    if one.axes.example_axis:
        length = shape[second]
    elif counts_positions:
        length = shape[second]
        position = _place_read(length, readout)
    else:
        position = None
    kinds = dict.fromkeys(range(n), "other") | dict.fromkeys(positions or (), "position")
    kinds |= {second: "position"} if counts_positions else {}
    kinds |= dict.fromkeys(neurons, "neuron") | {examples: "example"}
    own_order = tuple(order) if order != list(range(n)) else ()
    return replace(
        one.axes, width=prod(shape[axis] for axis in neurons), axis=axis, example_axis=examples, position=position,
        length=length, order=own_order, merged=merged, layout=tuple(kinds[axis] for axis in range(n)),
    )  # fmt: skip
