"""A body that a service was sent, as backups that lie ready; what is wrong with it as a problem."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from app.backup.archive import BadArchive
from app.backup.chain import Arrival, BrokenChain, Part, one_file, several_files
from app.backup.sealing import Key, WrongKey
from app.documents.opening import WrongFormat
from app.problems import Problem, invalid


async def received(
    body: AsyncIterator[bytes],
    root: Path,
    keys: Sequence[Key],
    *,
    several: bool,
    plain: bool = False,
) -> list[Part]:
    """Return what was sent, unpacked below `root` and checked; nothing else has changed.

    Raises Problem: 422 damaged or not sealed, 409 sealed with another key, of a version that this
    one does not know, or not going on from each other.
    """
    arrival = Arrival(root, keys, plain=plain)
    try:
        async for number, piece in (several_files if several else one_file)(body):
            await asyncio.to_thread(arrival.take, number, piece)
        return await asyncio.to_thread(arrival.finish)
    except (BadArchive, BrokenChain, WrongKey, WrongFormat) as error:
        place = f"file {arrival.number + 1}: " if several else ""
        raise problem_of(error, place) from error
    finally:
        arrival.close()


def problem_of(error: Exception, place: str = "") -> Problem:
    """Return what is told of a backup that cannot be taken."""
    told = f"The backup cannot be taken: {place}{error}. Nothing was changed"
    if isinstance(error, WrongKey):
        return Problem(
            409,
            "another-key",
            "The backup is sealed with another key",
            f"{told}; add its key to the stack's backupKeys, after the one in use. Without it"
            " nobody can open the backup",
        )
    if isinstance(error, WrongFormat):
        return Problem(
            409,
            "later-version",
            "The backup was made by a later version",
            f"{told}; restore it with the version that made it, or a later one",
        )
    if isinstance(error, BrokenChain):
        return Problem(
            409,
            "broken-chain",
            "These backups do not go on from each other",
            f"{told}; `stackyard restore FOLDER` takes those that belong together",
        )
    return invalid(told)
