"""An example of a package that adds to Grokscope; its entry points stand in ``pyproject.toml``."""
