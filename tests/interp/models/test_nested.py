"""Tensors inside containers, those of users' own kinds too."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from interp.models.nested import item_at, keys_of_tensor, tensors_in, with_item

Pair = namedtuple("Pair", ["left", "right"])


@dataclass(frozen=True)
class Frozen:
    """An output of a user's own kind."""

    hidden: Tensor
    note: str = "kept"


A, B, C = torch.zeros(2, 3), torch.ones(2, 4), torch.full((2, 5), 2.0)
CONTAINERS = {
    "tensor": (A, (), ()),
    "tuple": ((A, B), (), (0,)),
    "index": ((A, B), (1,), (1,)),
    "from the end": ([A, B, C], (-1,), (2,)),
    "nothing first": ((None, "text", B), (), (2,)),
    "nested": ((A, (B, C)), (1, 1), (1, 1)),
    "first in nested": ((A, (B, C)), (1,), (1, 0)),
    "named tuple": (Pair(A, B), ("right",), (1,)),
    "dict": ({"x": A, "y": B}, ("y",), ("y",)),
    "first of dict": ({"loss": None, "y": B}, (), ("y",)),
    "dict by number": (OrderedDict(x=A, y=B), (1,), ("y",)),
    "dataclass": (Frozen(B), (), ("hidden",)),
    "attribute": (Frozen(B), ("hidden",), ("hidden",)),
    "ModelOutput": (
        BaseModelOutputWithPooling(last_hidden_state=A, pooler_output=B),
        (1,),
        ("pooler_output",),
    ),
    "ModelOutput by name": (
        BaseModelOutputWithPooling(last_hidden_state=A, pooler_output=B),
        ("pooler_output",),
        ("pooler_output",),
    ),
    "what torch.max returns": (torch.max(C, 1), (), (0,)),
}


@pytest.mark.parametrize(("value", "steps", "full"), CONTAINERS.values(), ids=CONTAINERS)
def test_finds_a_tensor_and_puts_another_in_its_place(value, steps, full):
    found = keys_of_tensor(value, steps)
    assert found == full
    before, new = dict(tensors_in(value)), torch.full((1,), 9.0)
    changed = with_item(value, found, new)
    assert item_at(changed, found) is new
    assert type(changed) is (Tensor if value is A else type(value))
    after = dict(tensors_in(changed))
    assert list(after) == list(before)
    assert all(after[place] is before[place] for place in before if place != found)
    assert dict(tensors_in(value)) == before  # the user's own container is as it was
    if isinstance(value, BaseModelOutputWithPooling):
        assert changed["pooler_output"] is changed.pooler_output is changed[1] is new
    if isinstance(value, Frozen):
        assert changed.note == "kept"


@pytest.mark.parametrize("steps", [(2,), (-3,), ("x",), (0, 0), (0, "absent")])
def test_finds_nothing_where_nothing_is(steps):
    assert keys_of_tensor((A, B), steps) is None
    assert (
        keys_of_tensor(None, ())
        is keys_of_tensor(("text", 3), ())
        is keys_of_tensor({"x": None}, ("x",))
        is None
    )
