"""What a worker says of attempts in its headers and its query: names of a length that can be kept by the thousand."""

from __future__ import annotations

from typing import cast

import httpx2
import pytest

from mcptasks.gateway.contract import (
    ATTEMPT_HEADER,
    HOLDS_PARAMETER,
    INPUT_PATH,
    PROGRESS_PATH,
    TASK_HEADER,
    TASK_UID_HEADER,
    WORK_PATH,
    InputAnswers,
    ProgressReport,
)
from mcptasks.gateway.gateway import Gateway
from mcptasks.gateway.pods import PodIdentity, TaskPod
from mcptasks.gateway.routes import gateway_app
from mcptasks.gateway.workers import WorkerPod
from tests.unit.gateway.builders import NOW, a_pod

pytestmark = pytest.mark.anyio

WORKER = WorkerPod(PodIdentity("ns", "w-1", "uid-1"), "warm", "t", "h", NOW)


class WritingGateway:
    """Stands in for the gateway behind the routes; every token is a worker's but `a-task's`."""

    max_result_bytes = 1024
    max_log_bytes = 1024

    def __init__(self) -> None:
        self.reported: list[TaskPod] = []

    async def identify(self, token: str, _peer: str) -> TaskPod | WorkerPod:
        return a_pod() if token == "a-task's" else WORKER

    def runs(self, _pod: TaskPod) -> bool:
        return False

    async def answers(self, _pod: TaskPod, _seconds: float) -> InputAnswers:
        return InputAnswers()

    async def progress(self, pod: TaskPod, _report: ProgressReport) -> None:
        self.reported.append(pod)


@pytest.mark.parametrize(
    ("name", "uid", "status"),
    [
        ("report-1", "u" * 36, 204),
        ("n" * 253, "u" * 128, 204),
        ("n" * 254, "u" * 36, 422),
        ("report-1", "u" * 129, 422),
        ("report-1", "u" * 40_000, 422),
        ("report-1", "", 422),
    ],
    ids=["short", "longest", "long name", "long uid", "very long uid", "no uid"],
)
async def test_names_and_uids_of_attempts_are_no_longer_than_those_of_objects(name: str, uid: str, status: int) -> None:
    gateway = WritingGateway()
    headers = {"authorization": "Bearer x", TASK_HEADER: name, TASK_UID_HEADER: uid, ATTEMPT_HEADER: "1"}
    answer = await asked(gateway, "POST", PROGRESS_PATH, headers, json={"current": 1})
    assert answer.status_code == status
    assert len(gateway.reported) == (status == 204)


@pytest.mark.parametrize(
    ("path", "token"), [(f"{WORK_PATH}?{HOLDS_PARAMETER}=", "x"), (f"{INPUT_PATH}?seconds=", "a-task's")]
)
async def test_an_answer_repeats_no_more_of_a_query_than_shows_what_is_wrong(path: str, token: str) -> None:
    answer = await asked(WritingGateway(), "GET", path + "x" * 30_000, {"authorization": f"Bearer {token}"})
    assert answer.status_code == 422
    assert len(answer.text) < 500


async def test_an_attempt_that_a_worker_holds_has_no_longer_uid_either() -> None:
    path = f"{WORK_PATH}?{HOLDS_PARAMETER}={'u' * 129}:1"
    assert (await asked(WritingGateway(), "GET", path, {"authorization": "Bearer x"})).status_code == 422


async def asked(
    gateway: WritingGateway, method: str, path: str, headers: dict[str, str], json: object = None
) -> httpx2.Response:
    transport = httpx2.ASGITransport(gateway_app(cast(Gateway, gateway)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
        return await http.request(method, path, headers=headers, json=json)
