"""``python -m interp.cli`` is ``grokscope``."""

from interp.cli.application import main

if __name__ == "__main__":
    main()
