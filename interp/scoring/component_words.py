"""A group and its components in words, for tables and reports."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from interp.scoring.group_names import group_name
from probes.component_names import axes, named_components, turning
from probes.isotypic import Components
from probes.parts import Parts


@lru_cache(maxsize=8)
def parts_of(components: Components) -> Parts:
    """The components but the constant, by number from 1, with their names.

    Example:
        >>> from interp.data.group_tables import group_table
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> parts_of(components_of(group_of(group_table("S3")))).title(2)
        'component 2 (standard, 4 dimensions)'
    """
    return Parts(named_components(components, group_name(components.group)))


@lru_cache(maxsize=8)
def described(components: Components) -> dict[str, Any]:
    """Entries of a table's ``meta["null"]``: ``components`` by number from 1, and the ``group``.

    ``generators`` of the group are the elements that frequencies or rotations count along; empty where names have none.
    """
    group = components.group
    rotation = turning(group)
    generators = axes(group) if group.abelian else [] if rotation is None else [rotation]
    return {
        "components": parts_of(components).to_list(),
        "group": {
            "name": group_name(group),
            "order": len(group),
            "classes": int(group.classes.max()) + 1,
            "abelian": group.abelian,
            "exponent": group.exponent,
            "generators": generators,
        },
    }
