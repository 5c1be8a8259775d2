"""`python -m shipengine_tracking`: run the command line, or say what to install for it."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; return the exit status."""
    try:
        from . import cli
    except ModuleNotFoundError:
        print("The command line needs an extra: pip install 'shipengine-tracking[cli]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while it was loading
        return 130
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
