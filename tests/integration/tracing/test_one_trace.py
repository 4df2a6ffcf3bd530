"""One trace from the call to the tool, in both protocol versions and with either executor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcptasks.dev.stack import LocalStack, StackConfig
from tests.support.kubectl import Kubectl
from tests.support.mcp import NEW, OLD, RawClient
from tests.support.otlp import Collector, ReceivedSpan, collecting
from tests.support.polling import eventually

TOOLS = Path(__file__).with_name("traced_tools.py")
TRACE = "5af92f3577b34da6a3ce929d0e0e47%02x"
CALLER = "00f067aa0ba902b7"
SECRET = "hush-hush"


@dataclass(frozen=True)
class Traced:
    """An installation that sends its spans to the collector."""

    stack: LocalStack
    collector: Collector

    def call(self, tool: str, number: int, version: str = NEW, **arguments: object) -> tuple[str, str]:
        """Call a tool within a trace; gives the task's id and the trace's."""
        trace = TRACE % number
        return created(self.stack, tool, f"00-{trace}-{CALLER}-01", version, **arguments), trace

    def told(self, trace: str, *names: str) -> dict[str, ReceivedSpan]:
        """The trace's spans by their names, once those of the names are there."""

        def spans() -> dict[str, ReceivedSpan] | None:
            found = {span.name: span for span in self.collector.of(trace)}
            return found if set(names) <= found.keys() else None

        return eventually(f"spans {names} of {trace}: {[s.name for s in self.collector.of(trace)]}", spans, 60)


def created(stack: LocalStack, tool: str, traceparent: str, version: str = NEW, **arguments: object) -> str:
    """Call a tool as a task within a trace; gives the task's id."""
    client, meta = RawClient(stack.endpoint), {"_meta": {"traceparent": traceparent}}
    params = {"name": tool, "arguments": {"secret": SECRET, **arguments}, **meta}
    if version == OLD:
        return str(client.old("tools/call", {**params, "task": {}}).result["task"]["taskId"])
    return str(client.new("tools/call", params, mcp_name=tool).result["taskId"])


@pytest.fixture(scope="module", params=["Job", "Warm"])
def traced(request: pytest.FixtureRequest) -> Iterator[Traced]:
    with collecting() as collector:
        config = StackConfig(
            str(TOOLS),
            settings=collector.variables,
            tool_environment=collector.variables,
            warm=request.param == "Warm",
        )
        with LocalStack(config) as stack:
            yield Traced(stack, collector)


@pytest.mark.parametrize(("version", "tool"), [(NEW, "count"), (OLD, "count_later")])
def test_a_call_is_one_trace_from_the_server_to_the_author_s_own_spans(traced: Traced, version: str, tool: str) -> None:
    task_id, trace = traced.call(tool, 1 if version == NEW else 2, version)
    call, task, run, own = f"tools/call {tool}", f"task {tool}", f"execute_tool {tool}", "author's work"
    spans = traced.told(trace, call, task, "queue", "run", run, own)
    assert spans[call].parent == CALLER
    assert spans[task].parent == spans[call].id
    assert {spans[name].parent for name in ("queue", "run", run)} == {spans[task].id}
    assert spans[own].parent == spans[run].id
    services = [spans[name].service for name in (call, task, run)]
    assert services == ["mcptasks-server", "mcptasks-operator", "mcptasks-task"]
    assert spans[run].attributes["mcptasks.task.id"] == spans[task].attributes["mcptasks.task.id"] == task_id
    assert spans[task].attributes["gen_ai.tool.name"] == tool
    assert spans[task].start <= spans["queue"].start <= spans["queue"].end <= spans["run"].start
    assert spans["run"].end <= spans[task].end
    assert not any(span.failed for span in spans.values())


@pytest.mark.long
def test_a_failure_marks_the_spans_and_says_nothing_of_arguments_and_results(traced: Traced) -> None:
    _, trace = traced.call("break_down", 3)
    spans = traced.told(trace, "task break_down", "execute_tool break_down", "run")
    assert {name for name, span in spans.items() if span.failed} == {
        "task break_down",
        "execute_tool break_down",
        "run",
    }
    assert spans["execute_tool break_down"].attributes["error.type"] == "tool_error"
    assert spans["task break_down"].attributes["error.type"] == "ToolError"
    assert SECRET not in str(traced.collector.spans)


@pytest.mark.long
def test_a_cancelled_task_tells_how_long_its_end_took(traced: Traced) -> None:
    task_id, trace = traced.call("count", 4, seconds=60)
    kubectl = Kubectl(traced.stack.kubeconfig, traced.stack.namespace)
    eventually("it runs", lambda: (kubectl.get("mcptask", task_id).get("status") or {}).get("startedAt"), 60)
    RawClient(traced.stack.endpoint).cancel(task_id)
    spans = traced.told(trace, "task count", "cancel")
    assert spans["cancel"].parent == spans["task count"].id
    assert spans["task count"].attributes["mcptasks.task.phase"] == "cancelled"


def test_no_span_is_lost_or_told_twice_when_the_operator_is_killed_in_the_middle(traced: Traced) -> None:
    task_id, trace = traced.call("count", 5, seconds=3)
    kubectl = Kubectl(traced.stack.kubeconfig, traced.stack.namespace)
    eventually("it runs", lambda: (kubectl.get("mcptask", task_id).get("status") or {}).get("startedAt"), 60)
    os.kill(traced.stack.pid("operator"), signal.SIGKILL)
    eventually("it has ended", lambda: (kubectl.get("mcptask", task_id)["status"]).get("finishedAt"), 60)
    traced.stack.start("operator")
    traced.told(trace, "task count", "queue", "run", "execute_tool count")
    eventually("it is noted", lambda: kubectl.get("mcptask", task_id)["status"].get("traceSent"), 60)
    ids = [span.id for span in traced.collector.of(trace)]
    assert len(ids) == len(set(ids))


@pytest.mark.long
def test_a_collector_that_refuses_delays_no_task_and_gets_the_spans_later(traced: Traced) -> None:
    traced.collector.refuses = True
    try:
        task_id, trace = traced.call("count", 6)
        state = RawClient(traced.stack.endpoint).wait(task_id)
        assert state["status"] == "completed"
        before = traced.collector.refused
        eventually("the operator has tried", lambda: traced.collector.refused > before, 60)
    finally:
        traced.collector.refuses = False
    traced.told(trace, "task count", "run")


def test_polls_make_no_spans(traced: Traced) -> None:
    task_id, _ = traced.call("count", 7)
    client = RawClient(traced.stack.endpoint)
    client.wait(task_id)
    client.new("tasks/get", {"taskId": task_id}, mcp_name=task_id)
    client.old("tools/list")
    eventually("later requests are told", lambda: traced.collector.named("tools/list"), 30)
    assert traced.collector.named("tasks/get") == []


@pytest.mark.long
def test_a_trace_that_the_caller_does_not_keep_is_not_kept(traced: Traced) -> None:
    trace = TRACE % 8
    task_id = created(traced.stack, "count", f"00-{trace}-{CALLER}-00")
    RawClient(traced.stack.endpoint).wait(task_id)
    _, kept = traced.call("count", 9)
    traced.told(kept, "task count")
    assert traced.collector.of(trace) == []


def test_the_http_header_is_taken_where_meta_has_no_trace(traced: Traced) -> None:
    trace = TRACE % 10
    params = {"name": "inline", "arguments": {"secret": SECRET}}
    RawClient(traced.stack.endpoint).old("tools/call", params, traceparent=f"00-{trace}-{CALLER}-01")
    spans = traced.told(trace, "tools/call inline", "author's work")
    assert spans["tools/call inline"].parent == CALLER
    assert spans["author's work"].parent == spans["tools/call inline"].id


@pytest.mark.long
def test_the_command_line_begins_the_trace(traced: Traced) -> None:
    command = [sys.executable, "-m", "mcptasks", "call", traced.stack.endpoint, "count", "--arg", "secret=x"]
    environment = {**os.environ, **traced.collector.variables}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    (begun,) = eventually(
        "the client's span", lambda: [s for s in traced.collector.spans if s.service == "mcptasks-client"], 30
    )
    assert begun.parent == ""
    spans = {
        (span.service, span.name): span
        for span in eventually("the rest", lambda: [*_complete(traced.collector.of(begun.trace))], 60)
    }
    assert spans["mcptasks-server", "tools/call count"].parent == begun.id
    assert ("mcptasks-task", "execute_tool count") in spans


def _complete(spans: list[ReceivedSpan]) -> list[ReceivedSpan]:
    return spans if {"mcptasks-operator", "mcptasks-task"} <= {span.service for span in spans} else []
