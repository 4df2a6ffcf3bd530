"""The runner as a process, with a gateway that is away or refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.gateway.contract import ASSIGNMENT_PATH, OUTCOME_PATH, RefusalCode
from mcptasks.model.task import Component
from tests.support.fake_gateway import FakeGateway, GatewayAnswer, an_assignment, refusal
from tests.unit.runner.conftest import Runner


class TestTheGateway:
    def test_a_gateway_that_is_away_for_a_while_delays_the_task_only(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("@mcp.tool()\ndef f() -> dict[str, int]:\n    return dict(n=1)")
        gateway.assignment = an_assignment("f")
        away = [
            GatewayAnswer(close=True),
            GatewayAnswer(502, b"<html>"),
            refusal(503, RefusalCode.UNAVAILABLE),
            GatewayAnswer(403),
        ]
        gateway.will(ASSIGNMENT_PATH, *away)
        gateway.will(OUTCOME_PATH, *away)
        assert runner.run().code == 0
        assert len(gateway.requests(ASSIGNMENT_PATH)) == 5
        delivered = gateway.requests(OUTCOME_PATH)
        assert len(delivered) == 5
        assert all(request.body == delivered[0].body for request in delivered)

    def test_a_token_that_stays_refused_ends_the_runner(self, runner: Runner, gateway: FakeGateway) -> None:
        gateway.will(ASSIGNMENT_PATH, *[refusal(401, RefusalCode.UNAUTHENTICATED, "bad token")] * 1000)
        result = runner.run()
        assert result.code == 75
        assert "bad token" in result.err
        assert len(gateway.received) > 2

    def test_a_token_file_that_is_missing_ends_the_runner(
        self, runner: Runner, gateway: FakeGateway, token_file: Path
    ) -> None:
        token_file.unlink()
        result = runner.run()
        assert result.code == 75
        assert "token" in result.err

    @pytest.mark.parametrize("code", [RefusalCode.SUPERSEDED, RefusalCode.TASK_ENDED, RefusalCode.TASK_GONE])
    def test_a_task_that_is_over_is_not_run(self, runner: Runner, gateway: FakeGateway, code: RefusalCode) -> None:
        gateway.will(ASSIGNMENT_PATH, refusal(410, code, "over"))
        result = runner.run()
        assert result.code == 0
        assert "nothing left to do: over" in result.err

    def test_an_outcome_for_a_task_that_is_over_ends_well(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("@mcp.tool()\ndef f() -> None: ...")
        gateway.assignment = an_assignment("f")
        gateway.will(OUTCOME_PATH, refusal(410, RefusalCode.TASK_ENDED, "cancelled"))
        assert runner.run().code == 0

    def test_an_outcome_that_the_gateway_will_never_take_becomes_a_failure(
        self, runner: Runner, gateway: FakeGateway
    ) -> None:
        runner.module("@mcp.tool()\ndef f() -> None: ...")
        gateway.assignment = an_assignment("f")
        gateway.will(OUTCOME_PATH, refusal(422, RefusalCode.INVALID, "the result is not a JSON object"))
        runner.run()
        bodies = [request.body for request in gateway.requests(OUTCOME_PATH)]
        assert [body["kind"] for body in bodies] == ["result", "failure"]
        assert bodies[1]["reason"] == "ResultNotSerializable"
        assert "not a JSON object" in bodies[1]["message"]

    def test_a_url_that_is_not_one_ends_the_runner_at_once(self, runner: Runner) -> None:
        runner.environment["MCPTASKS_GATEWAY_URL"] = "gateway:8001"
        result = runner.run()
        assert result.code == 75
        assert "MCPTASKS_GATEWAY_URL" in result.err

    def test_a_component_of_another_kind_is_run_too(self, runner: Runner, gateway: FakeGateway) -> None:
        runner.module("@mcp.prompt()\ndef hello(name: str) -> str:\n    return f'Hello {name}'")
        gateway.assignment = an_assignment(
            "hello", '{"name": "you"}', component=Component.model_validate({"kind": "prompt", "name": "hello"})
        )
        assert runner.run().code == 0
        assert "Hello you" in gateway.outcome()["text"]
