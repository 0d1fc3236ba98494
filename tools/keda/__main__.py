"""`python -m tools.keda`: have KEDA's image and objects in the cache and tell where."""

import sys

from tools.errors import ToolUnavailable
from tools.keda.image import ensure


def main() -> int:
    try:
        entry = ensure()
    except ToolUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    print(entry.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
