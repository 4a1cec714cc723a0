"""The operations that settings state, under whatever names, and what in them was not read as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interp.checkpoints.fact_names import GENERAL
from interp.checkpoints.facts import levels, shown, stated
from interp.checkpoints.operation_names import names_group, operation_named
from interp.checkpoints.setting_values import names_in

MAX_LISTED = 4


@dataclass(frozen=True)
class StatedOperations:
    """Everything in settings that names an operation.

    Attributes:
        known: Operations, by our names.
        unknown: Values that are no operation which is known, in words.
        shown: Every setting of these, as name and value.
        modulus: The modulus in a name or formula, if one has any.
        passed: Settings that were not read as operations although they have such a name.
        loose: Settings of other names that name an operation, with that.
    """

    known: tuple[str, ...]
    unknown: tuple[str, ...]
    shown: tuple[str, ...]
    modulus: int | None
    passed: tuple[str, ...]
    loose: tuple[tuple[str, str], ...]

    def notes(self, given: str | None) -> Iterator[str]:
        """Sentences on settings that were not read as the operation, where the user gave none."""
        if self.passed and given is None:
            yield f"not read as an operation: {', '.join(self.passed[:MAX_LISTED])}"
        loose = [text for text, name in self.loose if name != "add"]
        if loose and given is None and not self.known:
            yield f"not read as the operation, which --task names: {', '.join(loose[:MAX_LISTED])}"


def stated_operations(tops: Sequence[Mapping[str, Any]]) -> StatedOperations:
    """The operations that settings state: beside the weights, then in their file.

    Under the name of an operation every value counts; one of a general name, such as ``group`` or ``fn``, only where
    none of a plainer name is known, unless it names a group. A task that is no operation counts if nothing else does.

    Example:
        >>> stated_operations([{"operation": ["subtract"], "optimizer": {"fn": "torch.optim.AdamW"}}]).known
        ('subtract',)
        >>> stated_operations([{"operation": 1}]).shown
        ('operation=1',)
    """
    operations = [one for top in tops for one in stated(top, "operation")]
    sure = any(_known(value) for place, value in operations if place.rpartition(".")[2] not in GENERAL)
    passed = [
        shown(*one) for top in tops for one in stated(top, "operation", counted=False) if _telling(one[1])
    ]
    known: dict[str, None] = {}
    unknown: list[str] = []
    kept: list[str] = []
    moduli: list[int] = []
    for place, value in operations + [one for top in tops for one in stated(top, "task")]:
        texts, name = names_in(value), place.rpartition(".")[2]
        results = [operation_named(text) for text in texts or ()]
        read = bool(results) and all(result is not None for result, _ in results)
        general = sure and name in GENERAL and not any(map(names_group, texts or ()))
        task = (place, value) not in operations
        if not read and (general or (task and (bool(kept) or any(map(_is_path, texts or ()))))):
            passed += [] if task else [shown(place, value)]
            continue
        kept.append(shown(name, repr(value)))
        known |= dict.fromkeys(result for result, _ in results if result is not None)
        moduli += [modulus for _, modulus in results if modulus is not None]
        if not read:
            unknown.append(texts[0][:60] if texts else str(value)[:60])
    return StatedOperations(
        tuple(known),
        tuple(unknown),
        tuple(kept),
        next(iter(moduli), None),
        tuple(passed),
        tuple(_loose(tops)),
    )


def _known(value: Any) -> bool:
    return any(operation_named(text)[0] is not None for text in names_in(value) or ())


def _telling(value: Any) -> bool:
    """True for a value that a reader could take for an operation: no object of settings, and no switch."""
    return value is not False and (not isinstance(value, dict) or names_in(value) is not None)


def _loose(tops: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for top in tops:
        for level in levels(top):
            for name, value in level.items():
                if isinstance(value, str) and len(value) > 1 and (operation := operation_named(value)[0]):
                    yield shown(name, repr(value)), operation


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or "." in text
