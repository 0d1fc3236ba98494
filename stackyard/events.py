"""The engine's event log, read as it grows: what is being done, what changed, what failed."""

import json
from dataclasses import dataclass, field

DOING = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "replace": "replacing",
    "create-replacement": "replacing",
    "delete-replaced": "deleting",
    "refresh": "looking at",
    "read": "reading",
}
# What it says of itself: that the run failed, and that a plugin comes from PATH, as ours may.
OF_THE_ENGINE = ("update failed", "using pulumi-")


@dataclass
class Progress:
    """What the events told so far."""

    done: int = 0
    doing: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Take in one line of the log."""
        if not line.strip():
            return
        event = json.loads(line)
        if "resourcePreEvent" in event:
            step = event["resourcePreEvent"]["metadata"]
            if step["op"] in DOING and not step["type"].startswith("pulumi:"):
                self.doing[step["urn"]] = f"{DOING[step['op']]} {_name(step['urn'])}"
        elif "resOutputsEvent" in event or "resOpFailedEvent" in event:
            which = "resOutputsEvent" if "resOutputsEvent" in event else "resOpFailedEvent"
            if self.doing.pop(event[which]["metadata"]["urn"], None):
                self.done += 1
        elif "diagnosticEvent" in event:
            self._diagnose(event["diagnosticEvent"])
        elif "summaryEvent" in event:
            self.changes = event["summaryEvent"].get("resourceChanges") or {}

    def line(self) -> str:
        """Return one line for the terminal."""
        return f"{self.done} done  " + ", ".join(list(self.doing.values())[-2:])

    @property
    def changed(self) -> int:
        """Return how many resources were not left as they were."""
        return sum(count for step, count in self.changes.items() if step != "same")

    def _diagnose(self, event: dict[str, object]) -> None:
        told = {"error": self.errors, "warning": self.warnings}.get(str(event.get("severity")))
        if told is None:
            return
        text = str(event.get("message", "")).strip()
        urn = str(event.get("urn") or "")
        if text and not text.startswith(OF_THE_ENGINE):
            said = f"{_name(urn)}: {text}" if urn and "pulumi:Stack" not in urn else text
            if said not in told:
                told.append(said)


def _name(urn: str) -> str:
    """Return `Deployment rag` of urn:pulumi:dev::stackyard::kubernetes:apps/v1:Deployment::rag."""
    parts = urn.split("::")
    return f"{parts[2].rpartition(':')[2]} {parts[3]}" if len(parts) > 3 else urn
