"""A module that cannot be imported, as after a half-done update."""

import a_package_that_is_not_there  # noqa: F401
