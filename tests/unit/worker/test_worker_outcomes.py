"""What an agent makes of how a process ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcptasks.gateway.contract import ResultOutcome
from mcptasks.model.task import TaskUsage
from mcptasks.worker.memory_events import oom_kills, parsed_oom_kills
from mcptasks.worker.readiness import readiness_answer
from mcptasks.worker.task_handle import ProcessEnd
from mcptasks.worker.worker_outcomes import EndCauses, WorkerWords, with_words

KILLED, EXITED_7 = 9, 7 << 8


def test_an_exit_code_is_told() -> None:
    outcome = EndCauses().outcome(ProcessEnd(EXITED_7), WorkerWords(log_tail="last words"))
    assert (outcome.exit_code, outcome.signal, outcome.log_tail) == (7, None, "last words")


@pytest.mark.parametrize(
    ("causes", "oom"),
    [
        (EndCauses(oom_kills=1), True),
        (EndCauses(oom_kills=0), False),
        (EndCauses(oom_kills=1, killed=True), False),
    ],
)
def test_a_kill_is_for_want_of_memory_where_the_kernel_says_so_and_the_agent_did_not_kill(
    causes: EndCauses, oom: bool
) -> None:
    outcome = causes.outcome(ProcessEnd(KILLED), WorkerWords())
    assert (outcome.signal, outcome.oom_killed) == (9, oom)


def test_a_lost_reaper_and_what_cannot_be_killed_are_told() -> None:
    message = EndCauses().outcome(ProcessEnd(None, left=2), WorkerWords()).message or ""
    assert "supervised" in message
    assert "2 of the processes" in message


@pytest.mark.parametrize("tail", ["", 'with "quotes"\nand ends\n', "\ud800", "ä"])
def test_the_end_of_the_output_goes_into_the_outcome(tail: str) -> None:
    plain = ResultOutcome(text='{"a": "}"}').model_dump_json(by_alias=True, exclude_none=True).encode()
    used = TaskUsage(wall_seconds=1, cpu_seconds=0.5, peak_memory_bytes=7)
    words = WorkerWords(log_tail=tail.encode("utf-8", "replace").decode() or None, usage=used, process_seconds=0.25)
    outcome = json.loads(with_words(plain, words))
    assert outcome["text"] == '{"a": "}"}'
    assert outcome["processSeconds"] == 0.25
    assert outcome["usage"] == {"wallSeconds": 1, "cpuSeconds": 0.5, "peakMemoryBytes": 7}
    assert outcome.get("logTail", "") == tail.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    ("text", "kills"), [("low 0\noom 3\noom_kill 2\noom_group_kill 1\n", 2), ("", 0), ("oom_kill x\n", 0)]
)
def test_kills_for_want_of_memory_are_read_from_the_cgroup(text: str, kills: int) -> None:
    assert parsed_oom_kills(text) == kills


def test_kills_for_want_of_memory_are_known_in_either_version_of_cgroups(tmp_path: Path) -> None:
    version_2, version_1 = tmp_path / "memory.events", tmp_path / "memory.oom_control"
    assert oom_kills([version_2, version_1]) == 0
    version_1.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert oom_kills([version_2, version_1]) == 3
    version_2.write_text("oom 1\noom_kill 1\n")
    assert oom_kills([version_2, version_1]) == 1


@pytest.mark.parametrize(
    ("line", "unready", "status"),
    [
        (b"GET /readyz HTTP/1.1", None, b"200"),
        (b"GET /readyz?x=1 HTTP/1.1", None, b"200"),
        (b"HEAD /readyz HTTP/1.1", None, b"200"),
        (b"GET /readyz HTTP/1.1", "draining", b"503"),
        (b"POST /readyz HTTP/1.1", None, b"405"),
        (b"GET /other HTTP/1.1", None, b"404"),
        (b"\xff\xfe", None, b"404"),
    ],
)
def test_a_probe_is_answered(line: bytes, unready: str | None, status: bytes) -> None:
    assert readiness_answer(line, unready).split(b" ", 2)[1] == status
