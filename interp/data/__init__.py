"""Tasks: operations modulo p or a user's table, and every example with its labels and splits."""

from interp.data.datasets import AS_TRAINED, SPLITS, Dataset, ModularTask, Task
from interp.data.operations import OPERATIONS, Ordering, group_ordering, operation_table, primitive_root
from interp.data.splits import UNKNOWN
from interp.data.tables import TableTask

__all__ = [
    "AS_TRAINED",
    "OPERATIONS",
    "SPLITS",
    "UNKNOWN",
    "Dataset",
    "ModularTask",
    "Ordering",
    "TableTask",
    "Task",
    "group_ordering",
    "operation_table",
    "primitive_root",
]
