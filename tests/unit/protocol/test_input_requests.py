"""What counts as an answer to a question, and how much of it is read."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from mcp.server.elicitation import render_elicitation_schema
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field

from mcptasks.model.base import JsonObject
from mcptasks.model.questions import ELICIT, MAX_ANSWER_BYTES
from mcptasks.model.task import InputRequest
from mcptasks.protocol.input_requests import LIST_ROOTS, SAMPLE, answer_text

FORM = {"type": "object", "properties": {"mail": {"type": "string", "format": "email"}}}
QUESTION = InputRequest(key="q", method=ELICIT, params_text=json.dumps({"message": "mail?", "requestedSchema": FORM}))


def accepted(mail: str) -> JsonObject:
    return {"action": "accept", "content": {"mail": mail}}


def test_an_answer_within_the_limit_is_kept() -> None:
    answer = accepted("ann@example.org")
    assert json.loads(answer_text(QUESTION, answer)) == answer
    rest = MAX_ANSWER_BYTES - len(json.dumps(accepted(""), separators=(",", ":")))
    assert len(answer_text(QUESTION, accepted("a@" + "b" * (rest - 2)))) == MAX_ANSWER_BYTES


class Tags(BaseModel):
    name: str
    tags: list[Literal["a", "b"]] = Field(default_factory=list)
    size: int | None = None


def test_what_was_left_out_does_not_reach_the_tool() -> None:
    params = {"message": "?", "requestedSchema": render_elicitation_schema(Tags)}
    question = InputRequest(key="q", method=ELICIT, params_text=json.dumps(params))
    content = {"name": "x", "tags": None, "size": None}
    kept = json.loads(answer_text(question, {"action": "accept", "content": content, "_meta": {"a": 1}}))
    assert kept == {"action": "accept", "content": {"name": "x"}, "_meta": {"a": 1}}
    assert Tags.model_validate(kept["content"]).tags == []
    with pytest.raises(MCPError, match="name: must be a text"):
        answer_text(question, {"action": "accept", "content": {"name": None}})


@pytest.mark.parametrize("method", [ELICIT, SAMPLE, LIST_ROOTS])
@pytest.mark.parametrize("answer", [accepted("a" * MAX_ANSWER_BYTES), accepted("é" * (MAX_ANSWER_BYTES // 2)), {}])
def test_an_answer_that_is_too_large_is_looked_at_no_further(method: str, answer: JsonObject) -> None:
    question = QUESTION.model_copy(update={"method": method})
    large = answer or {"x": ["y"] * MAX_ANSWER_BYTES}
    with pytest.raises(MCPError, match="the limit is 65536"):
        answer_text(question, large)
