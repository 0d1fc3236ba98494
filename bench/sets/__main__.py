"""`python -m bench.sets NAME -o DIR` builds a question set."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.sets.building import RECIPES, build, write
from bench.sets.packages import PackageMissing


def main(arguments: Sequence[str]) -> int:
    """Build the set and say what is in it."""
    parser = argparse.ArgumentParser(prog="python -m bench.sets", description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    asked = parser.parse_args(arguments)
    try:
        built = build(asked.name)
    except PackageMissing as error:
        print(error, file=sys.stderr)
        return 1
    write(built, asked.output)
    answerable = sum(bool(question["answerable"]) for question in built.questions)
    print(
        f"{asked.name}: {len(built.documents)} documents, {answerable} questions with an answer, "
        f"{len(built.questions) - answerable} without, in {asked.output}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
