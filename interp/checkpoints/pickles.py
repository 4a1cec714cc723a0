"""Pickles of strangers, walked through step by step without building or running anything."""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from enum import Enum, auto
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
import torch

from interp.checkpoints.plain_objects import may_stand

MAX_STEPS = 2_000_000  # of one file; a call counts as five

SIZES = {1: "Byte Char Bool", 2: "Half BFloat16 Short", 4: "Float Int", 8: "Double Long ComplexFloat"}
STORAGES = {f"torch.{kind}Storage": size for size, kinds in SIZES.items() for kind in kinds.split()}
STORAGES |= {"torch.ComplexDoubleStorage": 16, "torch.storage.UntypedStorage": 1}
DTYPES = {str(value): value.itemsize for value in vars(torch).values() if isinstance(value, torch.dtype)}
NUMBERS = {
    code: int(code[1]) for code in ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
}
SCALAR, ARRAY = np.float64().__reduce__()[0], np.zeros(1).__reduce__()[0]
NUMPY_CALLS = {f"numpy.{core}.multiarray.scalar": SCALAR for core in ("_core", "core")}
NUMPY_CALLS |= {f"numpy.{core}.multiarray._reconstruct": ARRAY for core in ("_core", "core")}
ALLOWED = {
    *STORAGES, *DTYPES, *NUMPY_CALLS,
    "_codecs.encode", "builtins.bytes", "builtins.complex", "collections.OrderedDict", "numpy.dtype", "numpy.ndarray",
    "torch.Size", "torch.Tensor", "torch.device", "torch.nn.parameter.Parameter", "torch.serialization._get_layout",
    "torch._tensor._rebuild_from_type_v2",
}  # fmt: skip
_REBUILDS = "tensor_v2 tensor_v3 parameter parameter_with_state sparse_tensor meta_tensor_no_storage"
ALLOWED |= {f"torch._utils._rebuild_{kind}" for kind in _REBUILDS.split()}
NUMPY_SAFE: list[Any] = [bytes, np.dtype, np.ndarray, *{type(np.dtype(code)) for code in NUMBERS}]
NUMPY_SAFE += [(call, name) for name, call in NUMPY_CALLS.items()]
OLD_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
LITERALS = {"BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE", "LONG1", "SHORT_BINSTRING"}
ACTS = {"REDUCE", "NEWOBJ", "BUILD", "BINPERSID", "APPEND", "SETITEM"}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Kind(Enum):
    """Kinds of value in a pickle, where no more of it matters."""

    DICT = auto()
    LIST = auto()
    TENSOR = auto()
    ARRAY = auto()
    VALUE = auto()
    FOREIGN = auto()


CONSTANTS: dict[str, Any] = {"NONE": None, "NEWFALSE": False, "NEWTRUE": True, "EMPTY_TUPLE": ()}
CONSTANTS |= {"EMPTY_LIST": Kind.LIST, "EMPTY_DICT": Kind.DICT}


class Name(str):
    """A function or class that a pickle names."""


class Made(str):
    """An object of a class that a stand-in takes the place of."""


@dataclass(frozen=True)
class Sized:
    """A storage, a NumPy dtype or a run of bytes: which, and its size in bytes."""

    kind: str
    size: int


@dataclass
class Walk:
    """One pass over the pickles of a file: every call is checked, none is made.

    Attributes:
        room: Bytes that whatever they make may still take.
        named: Functions and classes they name that are not known, in order; stand-ins can take their place.
        mappings: Those of them that are given items.
        foreign: Those of them that are called as only their own code could answer.
    """

    room: int
    named: dict[str, None] = field(default_factory=dict)
    mappings: dict[str, None] = field(default_factory=dict)
    foreign: dict[str, None] = field(default_factory=dict)
    storages: dict[str, Sized] = field(default_factory=dict)
    steps: int = 0

    def run(self, pickled: BytesIO) -> Any:
        """Go through one pickle to its end; return roughly what it would make.

        Raises:
            ValueError, LookupError, TypeError: It is damaged, or does what no honest file does.
        """
        stack: list[Any] = []
        below: list[list[Any]] = []
        memo: dict[Any, Any] = {}
        for operation, value, _ in pickletools.genops(pickled):
            name = operation.name
            self.steps += 5 if name == "REDUCE" else 1
            if self.steps > MAX_STEPS:
                raise ValueError(f"it takes more than {MAX_STEPS} steps")
            if name in LITERALS:
                stack.append(value)
            elif name in CONSTANTS:
                stack.append(CONSTANTS[name])
            elif name in ("BINPUT", "LONG_BINPUT"):
                memo[value] = stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[value])
            elif name == "MARK":
                below.append(stack)
                stack = []
            elif name in ("TUPLE", "APPENDS", "SETITEMS"):
                items, stack = stack, below.pop()
                if name == "TUPLE":
                    stack.append(tuple(items))
                elif name == "SETITEMS":
                    self._filled(stack[-1], items[::2])
            elif name in TUPLES:
                stack[-TUPLES[name] :] = [tuple(stack[-TUPLES[name] :])]
            elif name not in ("PROTO", "STOP"):
                self._act(name, value, stack)
        return stack.pop()

    def _act(self, name: str, value: Any, stack: list[Any]) -> None:
        if name == "GLOBAL":
            stack.append(self._named(*value.split(" ", 1)))
            return
        if name not in ACTS:
            raise ValueError(f"its pickle takes the step {name}; torch.save writes only steps of protocol 2")
        last = stack.pop()
        if name in ("REDUCE", "NEWOBJ"):
            stack[-1] = self._called(stack[-1], last, new=name == "NEWOBJ")
        elif name == "BUILD":
            _check_state(stack[-1], last)
        elif name == "BINPERSID":
            stack.append(self._stored(last))
        elif name == "SETITEM":
            self._filled(stack[-2], [stack.pop()])

    def _filled(self, target: Any, keys: list[Any]) -> None:
        if isinstance(target, Made):
            self.mappings[target] = None
        for key in keys:
            small = type(key) is int and abs(key) < 2**60
            if not small and type(key) not in (str, float, bool, type(None)):
                raise ValueError("a dictionary has keys other than texts and ordinary numbers")

    def _named(self, module: str, name: str) -> Name:
        full = Name(f"{OLD_NAMES.get(module, module)}.{name}")
        if full == "torch._utils._rebuild_qtensor":
            raise ValueError("it holds quantised tensors; dequantise them before saving")
        if full not in ALLOWED:
            self.named[full] = None
        return full

    def _called(self, function: Any, given: Any, *, new: bool = False) -> Any:
        if function is Kind.FOREIGN:
            return Kind.FOREIGN
        if isinstance(function, Name) and function in self.named:
            if may_stand(function, given, new=new):
                return Made(function)
            self.foreign[function] = None
            return Kind.FOREIGN
        name = function.removeprefix("torch._utils.") if isinstance(function, Name) else ""
        match name.replace("numpy._core.", "numpy.core."), given:
            case "collections.OrderedDict", ():
                return Kind.DICT
            case "_rebuild_tensor_v2", (Sized() as storage, start, shape, strides, *_):
                return self._tensor(storage, STORAGES[storage.kind], start, shape, strides)
            case "_rebuild_tensor_v3", (Sized() as storage, start, shape, strides, _, _, Name() as dtype, *_):
                return self._tensor(storage, DTYPES[dtype], start, shape, strides)
            case "_rebuild_parameter" | "_rebuild_parameter_with_state", (Kind.TENSOR, *_):
                return Kind.TENSOR
            case "_rebuild_meta_tensor_no_storage", tuple():
                return Kind.TENSOR
            case "_rebuild_sparse_tensor", (Kind.VALUE, tuple() as parts):
                self._take(
                    8 * prod(_lengths(next((part for part in parts if isinstance(part, tuple)), None)))
                )
                return Kind.TENSOR
            case "torch._tensor._rebuild_from_type_v2", (Name() as rebuild, _, tuple() as inner, _):
                return self._called(rebuild, inner)
            case "torch.Size", (shape,):
                return _lengths(shape)
            case "torch.device" | "torch.serialization._get_layout" | "builtins.complex", tuple():
                return Kind.VALUE
            case "_codecs.encode", (str() as text, "latin1"):
                self._take(len(text))
                return Sized("bytes", len(text))
            case "builtins.bytes", ():
                return Sized("bytes", 0)
            case "numpy.dtype", (str() as code, False, True):
                if code not in NUMBERS:
                    raise ValueError(f"it holds NumPy data that is no numbers ({code[:8]!r})")
                return Sized("dtype", NUMBERS[code])
            case "numpy.core.multiarray.scalar", (Sized("dtype", item), Sized("bytes", size)) if item == size:
                return Kind.VALUE
            case "numpy.core.multiarray._reconstruct", ("numpy.ndarray", (0,), Sized("bytes")):
                return Kind.ARRAY
        raise ValueError(f"it calls {name[:60] or 'what it made'} as no honest file does")

    def _tensor(self, storage: Sized, item: int, start: Any, shape: Any, strides: Any) -> Kind:
        sides = _lengths(shape)
        steps = zip(sides, _lengths(strides, len(sides)), strict=True)
        last = sum(_lengths((start,))) + sum((n - 1) * step for n, step in steps)
        if 0 not in sides and (last + 1) * item > storage.size:
            raise ValueError("a tensor reaches beyond its stored numbers")
        self._take(max(4, item) * prod(shape))
        return Kind.TENSOR

    def _take(self, size: int) -> None:
        self.room -= size
        if self.room < 0:
            raise ValueError("its tensors would take far more memory than the file has bytes")

    def _stored(self, reference: Any) -> Any:
        match reference:
            case ("storage", Name() as kind, str() as key, str(), int() as count, *_) if count >= 0:
                storage = Sized(kind, count * STORAGES[kind])
                if reference[5:] in ((), (None,)) and self.storages.setdefault(key, storage) == storage:
                    return storage
            case ("module", Name() as kind, *_):
                return kind
        raise ValueError("a tensor lies in a storage that cannot be")


def _lengths(values: Any, count: int | None = None) -> tuple[int, ...]:
    known = isinstance(values, tuple) and len(values) <= 64 and count in (None, len(values))
    if not known or not all(type(n) is int and 0 <= n < 2**62 for n in values):
        raise ValueError("a tensor has a shape that cannot be")
    return values


def _check_state(target: Any, state: Any) -> None:
    match target, state:
        case (Kind.DICT | Made() | Kind.FOREIGN, _):
            return
        case Sized("dtype"), (3, "<" | ">" | "|" | "=", None, None, None, -1, -1, 0):
            return
        case Kind.ARRAY, (1, shape, Sized("dtype", item), bool(), Sized("bytes", size)):
            if prod(_lengths(shape)) * item == size:
                return
    raise ValueError("it fills in what it made as no honest file does")
