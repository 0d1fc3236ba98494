"""What the storage directory holds: collections, their settings and aliases, in one small file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.qdrant.errors import StartError
from local.qdrant.fields import Json
from local.qdrant.files import replace_file

VERSION = 1


@dataclass
class Entry:
    """One collection: the directory of its shard, its settings and its payload indexes."""

    shard: str
    configuration: dict[str, Json]
    created_at: str
    indexes: dict[str, Json] = field(default_factory=dict)


@dataclass
class Catalogue:
    """The truth about which shard directories count; written in one step."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def load(path: Path) -> "Catalogue":
        if not path.exists():
            return Catalogue(path)
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8"))
            if content["version"] != VERSION:
                message = f"{path} has version {content['version']}, this server reads {VERSION}"
                raise StartError(message)
            entries = {name: Entry(**entry) for name, entry in content["collections"].items()}
            return Catalogue(path, entries, dict(content["aliases"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = (
                f"{path} is damaged ({error}), the collections cannot be told\n"
                "hint: put the file back from a backup; the data beside it is untouched"
            )
            raise StartError(message) from error

    def save(self) -> None:
        content = {
            "version": VERSION,
            "collections": {name: vars(entry) for name, entry in self.entries.items()},
            "aliases": self.aliases,
        }
        replace_file(self.path, json.dumps(content, indent=1).encode())
