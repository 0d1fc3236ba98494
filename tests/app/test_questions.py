"""Conversations in parts: their limits hold for the whole message."""

import pytest

from app.problems import Problem
from app.questions import LONGEST_TURN
from app.routes.chat import ChatRequest
from app.routes.responses import ResponsesRequest

LONG = [{"type": "text", "text": "a" * LONGEST_TURN}, {"type": "text", "text": "b"}]
ASKED = {"role": "user", "content": "Why?"}


@pytest.mark.parametrize("shape", [ChatRequest, ResponsesRequest])
def test_a_message_whose_parts_are_too_long_together_is_refused(
    shape: type[ChatRequest] | type[ResponsesRequest],
) -> None:
    name = "messages" if shape is ChatRequest else "input"
    kind = "text" if shape is ChatRequest else "input_text"
    parts = [{**part, "type": kind} for part in LONG]
    request = shape.model_validate({name: [{"role": "assistant", "content": parts}, ASKED]})

    with pytest.raises(Problem) as caught:
        request.asked(("documents",))

    assert (caught.value.status_code, caught.value.name) == (422, "invalid-request")
