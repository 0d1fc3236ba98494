"""An answer as it comes, in the events of a surface."""

from typing import Protocol

from app.answering import Answering, Asked
from app.failures import to_problem
from app.problems import Problem
from app.replies import Events, Write
from pipelines.answer import Answer


class Shape(Protocol):
    """How a surface puts an answer into events; each method returns the bytes of some."""

    def begun(self) -> bytes:
        """Return what stands before the first text."""

    def text(self, text: str) -> bytes:
        """Return a piece of the answer."""

    def ended(self, answer: Answer) -> bytes:
        """Return what stands behind the last text."""

    def failed(self, problem: Problem) -> bytes:
        """Return what ends a stream that broke: its status is long sent."""


def told(answering: Answering, asked: Asked, shape: Shape) -> Events:
    """Return the events of an answer."""

    async def events(write: Write) -> bytes:
        begun = False

        async def say(text: str) -> None:
            nonlocal begun
            head = b"" if begun else shape.begun()
            begun = True
            await write(head + shape.text(text))

        try:
            rest, answer = await answering.tell(asked, say)
        except Exception as error:
            if not begun:
                raise
            return shape.failed(to_problem(error))
        head = b"" if begun else shape.begun()
        # What is certain only now goes out with the end: one event less is sent for it.
        return head + b"".join(map(shape.text, rest)) + shape.ended(answer)

    return events
