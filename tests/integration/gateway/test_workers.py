"""Workers: which tasks they are handed, and what becomes of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import pytest

from mcptasks.gateway.contract import ASSIGNMENT_PATH, WORK_PATH
from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS, PODS
from mcptasks.kube.task_objects import StatusChange, TaskClient
from mcptasks.model.base import ANNOTATION_DRAIN, LABEL_WORKER, JsonObject
from mcptasks.model.lifecycle import PODS_TERMINATED, pods_are_gone, timestamp, utc_now
from mcptasks.model.log_records import log_text
from mcptasks.model.task import McpTask, Phase
from tests.integration.gateway.harness import GatewayWorld, code, result
from tests.integration.gateway.worker_harness import (
    PlayedWorker,
    held,
    known_to,
    make_worker,
    replica,
    warm_task,
    warm_template,
)
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio


USED = {"wallSeconds": 2.5, "cpuSeconds": 1.25, "peakMemoryBytes": 12345}


async def ended(world: GatewayWorld, task: JsonObject) -> McpTask:
    return await world.until(task, lambda found: found.terminal)


@dataclass(frozen=True)
class SilentReads(TaskClient):
    """A client whose next reads, as many as `times` has entries, find no API server."""

    times: list[int] = field(default_factory=list)

    async def get(self, namespace: str, name: str) -> JsonObject:
        if self.times:
            self.times.pop()
            raise UnavailableError(503, "ServiceUnavailable", "the API server is starting")
        return await super().get(namespace, name)


@dataclass(frozen=True)
class LostAnswers(TaskClient):
    """A client whose first write is done and not answered, and that reads nothing until `back` is set."""

    back: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, namespace: str, name: str) -> JsonObject:
        await self.back.wait()
        return await super().get(namespace, name)

    async def update_status(
        self, known: JsonObject, change: StatusChange, *, parsed: McpTask | None = None
    ) -> JsonObject:
        written = await super().update_status(known, change, parsed=parsed)
        if self.back.is_set():
            return written
        raise UnavailableError(503, "ServiceUnavailable", "the API server is starting")


# --- The way of a task ---


async def test_a_worker_prepares_while_the_claim_is_written_and_runs_once_it_stands(world: GatewayWorld) -> None:
    template = await warm_template(world)
    worker = await make_worker(world, template)
    async with replica(world) as at, worker.working(at):
        task = await warm_task(world, arguments={"n": 1}, timeoutSeconds=60)
        prepare = await worker.told("prepare")
        assert prepare["taskId"] == task["metadata"]["name"]
        run = await worker.runs(task)
        assert (run["attempt"], run["timeoutSeconds"], run["argumentsText"]) == (1, 60, '{"n": 1}')
        status = (await world.task(task)).status
        assert (status.pod_name, status.pod_uid, status.executor) == (worker.name, worker.uid, "Warm")
        assert status.started_at is not None
        assert (await worker.report(run, 1)).status_code == 204
        assert (
            await worker.deliver(run, result('{"content":[1]}', logTail="one\ntwo\n", usage=USED))
        ).status_code == 204
    done = await world.task(task)
    assert (done.phase, done.status.attempts) == (Phase.COMPLETED, 1)
    terminated = done.status.condition("PodsTerminated")
    assert terminated is not None
    assert terminated.status == "True"
    assert done.status.log is not None
    assert log_text(done.status.log) == "one\ntwo\n"
    assert done.status.usage is not None
    assert done.status.usage.dump() == USED


async def test_a_task_that_waited_before_any_worker_came_is_handed_to_the_first_one(world: GatewayWorld) -> None:
    template = await warm_template(world)
    worker = await make_worker(world, template)
    async with replica(world) as at:
        task = await warm_task(world)
        await known_to(at, task, lambda _: True)
        async with worker.working(at):
            await worker.runs(task)


async def test_a_replica_knows_whether_a_worker_of_its_own_would_get_the_next_task(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, replica(world) as other, worker.working(at):
        mine, others = at.gateway.dispatcher, other.gateway.dispatcher
        assert mine is not None
        assert others is not None

        async def has_room() -> bool:
            return mine.has_room("warm")

        await eventually_async("it has room", has_room)
        assert not others.has_room("warm")
        await worker.runs(await warm_task(world))
        assert not mine.has_room("warm")


async def test_the_next_task_waits_until_the_one_before_has_ended(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        first = await warm_task(world)
        run = await worker.runs(first)
        second = await warm_task(world)
        await known_to(at, second, lambda _: True)
        await worker.nothing_comes()
        assert at.gateway.dispatcher is not None
        assert at.gateway.dispatcher.ahead_of("warm", second["metadata"]["uid"]) == 0
        await worker.deliver(run, result())
        await worker.runs(second)


async def test_a_worker_with_room_for_several_gets_as_many_at_once(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world, concurrency=3))
    async with replica(world) as at, worker.working(at):
        tasks = [await warm_task(world) for _ in range(4)]
        runs = [await worker.runs() for _ in range(3)]
        await worker.nothing_comes()
        await worker.deliver(runs[0], result())
        last = await worker.runs()
    assert {run["uid"] for run in [*runs, last]} == {task["metadata"]["uid"] for task in tasks}


@pytest.mark.parametrize(
    ("spec", "why"),
    [({"arguments": [1]}, "not a JSON object"), ({"arguments": {"a": 1}, "argumentsText": '{"a": 2}'}, "do not agree")],
)
async def test_arguments_that_fit_no_tool_end_the_task_and_reach_no_worker(
    world: GatewayWorld, spec: dict[str, Any], why: str
) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        task = await warm_task(world, **spec)
        await worker.told("withdraw")
        await worker.runs(await warm_task(world))
    item = await world.kube.get(MCP_TASKS, task["metadata"]["name"], world.namespace)
    assert (item["status"]["phase"], item["status"]["reason"]) == ("failed", "InvalidArguments")
    assert why in item["status"]["message"]
    assert "PodsTerminated" in {c["type"] for c in item["status"]["conditions"] if c["status"] == "True"}


# --- Who gets nothing ---


async def test_a_worker_that_has_had_its_number_of_tasks_is_told_to_drain_and_gets_no_more(
    world: GatewayWorld,
) -> None:
    worker = await make_worker(world, await warm_template(world, tasksPerWorker=1))
    async with replica(world) as at, replica(world) as other:
        async with worker.working(at):
            run = await worker.runs(await warm_task(world))
            await worker.told("drain")
            await worker.deliver(run, result())
            task = await warm_task(world)
            await known_to(at, task, lambda _: True)
            await worker.nothing_comes()
        # Neither does it where nobody has handed it anything, whatever it says.
        async with worker.working(other):
            await worker.told("drain")
            await known_to(other, task, lambda _: True)
            await worker.nothing_comes()


@pytest.mark.parametrize("how", ["other code", "an earlier template", "draining", "an earlier template of the name"])
async def test_a_worker_that_would_run_something_else_gets_nothing(world: GatewayWorld, how: str) -> None:
    template = await warm_template(world)
    worker = await make_worker(world, template)
    async with replica(world) as at:
        async with worker.working(at, module="another" if how == "other code" else "digest-of-the-module"):
            if how == "an earlier template":
                change: JsonObject = {"spec": {"podTemplate": {"spec": {"containers": [{"name": "runner"}]}}}}
                await world.kube.patch(MCP_TASK_TEMPLATES, "warm", change, world.namespace)
            if how == "draining":
                marked = {"metadata": {"annotations": {ANNOTATION_DRAIN: "true"}}}
                await world.kube.patch(PODS, worker.name, marked, world.namespace)
                await worker.told("drain")
            if how == "an earlier template of the name":
                await world.kube.patch(PODS, worker.name, {"metadata": {"ownerReferences": None}}, world.namespace)
                foreign = {**template["metadata"], "uid": "another-uid"}
                owners = [
                    {
                        "apiVersion": template["apiVersion"],
                        "kind": "McpTaskTemplate",
                        "name": "warm",
                        "uid": foreign["uid"],
                        "controller": True,
                    }
                ]
                await world.kube.patch(PODS, worker.name, {"metadata": {"ownerReferences": owners}}, world.namespace)
                await anyio.sleep(0.5)
            await anyio.sleep(0.3)
            task = await warm_task(world)
            await known_to(at, task, lambda _: True)
            if how != "an earlier template of the name":
                await worker.nothing_comes()
        assert (await world.task(task)).status.pod_uid is None


async def test_tasks_of_other_templates_and_servers_are_not_handed_out(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    await warm_template(world, "other")
    async with replica(world) as at, worker.working(at):
        for task in (await warm_task(world, "other"), await warm_task(world, server="another"), await world.submit()):
            await known_to(at, task, lambda _: True)
        await worker.nothing_comes()


async def test_pods_that_are_no_workers_get_no_work_and_workers_no_assignment(world: GatewayWorld) -> None:
    template = await warm_template(world)
    runner = await world.runner(await world.submit())
    worker = await make_worker(world, template)
    orphan = await make_worker(world, template, ownerReferences=[])
    unmarked = await make_worker(world, template, labels={LABEL_WORKER: "no"})
    async with replica(world) as at:
        assert code(await world.call("GET", WORK_PATH, runner.token, http=at.http)) == (403, "NotATaskPod")
        for foreign in (orphan, unmarked):
            assert code(await world.call("GET", WORK_PATH, foreign.token, http=at.http)) == (403, "NotATaskPod")
        assert (await at.http.get(WORK_PATH)).status_code == 401
        assert code(await world.call("GET", ASSIGNMENT_PATH, worker.token, http=at.http)) == (422, "Invalid")


async def test_a_worker_of_another_namespace_is_told_that_it_gets_nothing_here(
    world: GatewayWorld, other_world: GatewayWorld
) -> None:
    worker = await make_worker(other_world, await warm_template(other_world))
    async with replica(world) as at:
        answer = await world.call("GET", WORK_PATH, worker.token, http=at.http)
    assert code(answer) == (403, "NotATaskPod")
    assert world.namespace in answer.json()["message"]


# --- Cancels and ends ---


@pytest.mark.parametrize("how", ["cancelled", "deleted"])
async def test_a_worker_is_told_to_end_what_is_cancelled_or_deleted(world: GatewayWorld, how: str) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        task = await warm_task(world)
        run = await worker.runs(task)
        if how == "cancelled":
            await world.cancel(task)
        else:
            await world.kube.delete(MCP_TASKS, task["metadata"]["name"], world.namespace)
        order = await worker.told("end")
        assert (order["uid"], order["attempt"]) == (run["uid"], 1)
        following = await warm_task(world)
        await known_to(at, following, lambda _: True)
        await worker.nothing_comes()
        answer = await worker.deliver(run, {"kind": "process", "signal": 15, "ordered": True, "logTail": "bye\n"})
        assert answer.status_code in (204, 410)
        await worker.runs(following)
    if how == "cancelled":
        status = (await world.task(task)).status
        gone = status.condition("PodsTerminated")
        assert gone is not None
        assert (gone.status, gone.message.split(" s ")[1]) == ("True", "after the cancel")
        assert status.log is not None
        assert status.log.text == "bye\n"


async def test_a_result_that_comes_after_the_cancel_says_that_the_process_is_gone_and_counts_for_nothing(
    world: GatewayWorld,
) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        task = await warm_task(world)
        run = await worker.runs(task)
        await world.cancel(task)
        assert code(await worker.deliver(run, result('{"late":1}'))) == (410, "TaskEnded")
    status = (await world.task(task)).status
    gone = status.condition("PodsTerminated")
    assert (status.phase, status.result) == ("cancelled", None)
    assert gone is not None
    assert gone.status == "True"


async def test_a_worker_asks_again_while_a_cancel_has_not_become_the_tasks_end(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        task = await warm_task(world)
        run = await worker.runs(task)
        await world.patch(task, {"spec": {"cancel": True}})
        stopped = {"kind": "process", "signal": 15}
        assert code(await worker.deliver(run, stopped)) == (503, "Unavailable")
        await world.cancel(task)
        assert (await worker.deliver(run, stopped)).status_code == 204
    gone = (await world.task(task)).status.condition("PodsTerminated")
    assert gone is not None


async def test_a_task_that_is_cancelled_while_a_worker_prepares_is_withdrawn(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    client = HeldBackClient(world.kube)
    async with replica(world, client=client) as at, worker.working(at):
        task = await warm_task(world)
        await worker.told("prepare")
        await world.cancel(task)
        client.go.set()
        order = await worker.told("withdraw")
        assert order["uid"] == task["metadata"]["uid"]
        await worker.runs(await warm_task(world))


class HeldBackClient(TaskClient):
    """Writes no status before it may."""

    def __init__(self, kube: Any) -> None:
        super().__init__(kube)
        object.__setattr__(self, "go", asyncio.Event())

    go: asyncio.Event

    async def update_status(
        self, known: JsonObject, change: StatusChange, *, parsed: McpTask | None = None
    ) -> JsonObject:
        await self.go.wait()
        return await super().update_status(known, change, parsed=parsed)


@dataclass(frozen=True)
class HeldBackReads(TaskClient):
    """A client that reads nothing until `go` is set. `asked` is set once somebody waits for it."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, namespace: str, name: str) -> JsonObject:
        self.asked.set()
        await self.go.wait()
        return await super().get(namespace, name)


# --- Replicas and connections ---


async def test_of_two_replicas_that_hand_out_at_once_one_withdraws(world: GatewayWorld) -> None:
    template = await warm_template(world)
    one, two = await make_worker(world, template), await make_worker(world, template)
    first, second = HeldBackClient(world.kube), HeldBackClient(world.kube)
    async with (
        replica(world, client=first) as a,
        replica(world, client=second) as b,
        one.working(a),
        two.working(b),
    ):
        task = await warm_task(world)
        await one.told("prepare")
        await two.told("prepare")
        first.go.set()
        second.go.set()
        winner: list[PlayedWorker] = []
        for worker in (one, two):
            await worker.told_anything()
            winner += [worker] if worker.orders[0]["kind"] == "run" else []
        assert len(winner) == 1
        loser = two if winner[0] is one else one
        await loser.told("withdraw")
        assert (await world.task(task)).status.pod_uid == winner[0].uid
        assert (await world.task(task)).status.attempts == 1
        # Both workers are as good as before.
        run = await winner[0].runs(task)
        await winner[0].deliver(run, result())
        tasks = [await warm_task(world) for _ in range(2)]
        runs = [await one.runs(), await two.runs()]
        assert {run["uid"] for run in runs} == {task["metadata"]["uid"] for task in tasks}


async def test_a_worker_that_connects_anew_elsewhere_is_told_what_it_has_not_heard(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as one, replica(world) as two:
        async with worker.working(one):
            task = await warm_task(world)
            run = await worker.runs(task)
        async with worker.working(two):
            assert await worker.runs(task) == run
            await worker.nothing_comes()
        assert (await world.task(task)).status.attempts == 1


async def test_a_worker_that_names_what_it_holds_is_told_nothing_and_gets_nothing_more(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as one, replica(world) as two:
        async with worker.working(one):
            run = await worker.runs(await warm_task(world))
        async with worker.working(two, holds=held(run)):
            following = await warm_task(world)
            await known_to(two, following, lambda _: True)
            await worker.nothing_comes()
            await worker.deliver(run, result())
            await worker.runs(following)


async def test_what_ended_while_a_worker_was_away_is_ended_when_it_is_back(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at:
        async with worker.working(at):
            task = await warm_task(world)
            run = await worker.runs(task)
        await world.cancel(task)
        async with worker.working(at, holds=f"{held(run)},nobody-knows:3"):
            orders = [await worker.told("end") for _ in range(2)]
    assert {order["uid"] for order in orders} == {run["uid"], "nobody-knows"}


async def test_what_a_worker_holds_and_a_replica_has_not_heard_of_goes_on(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as one, replica(world) as two:
        await two.fall_behind()
        async with worker.working(one):
            task = await warm_task(world)
            run = await worker.runs(task)
        async with worker.working(two, holds=held(run)):
            await worker.nothing_comes()
            await worker.deliver(run, result())
        assert (await ended(world, task)).phase is Phase.COMPLETED


async def test_an_order_is_repeated_once_the_api_server_can_be_reached_again(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    unreachable = SilentReads(world.kube)
    async with replica(world) as one, replica(world, client=unreachable) as two:
        async with worker.working(one):
            task = await warm_task(world)
            run = await worker.runs(task)
        await known_to(two, task, lambda item: bool((item.get("status") or {}).get("podUid")))
        unreachable.times.append(1)
        async with worker.working(two):
            assert await worker.runs(task) == run
    assert unreachable.times == []


async def test_what_is_claimed_while_a_worker_is_being_settled_in_is_repeated_to_it(world: GatewayWorld) -> None:
    """The claim is of a connection before, and its gateway cannot reach the worker any more."""
    worker = await make_worker(world, await warm_template(world, concurrency=2))
    writes, reads = HeldBackClient(world.kube), HeldBackReads(world.kube)
    async with replica(world, client=writes) as one, replica(world, client=reads) as two:
        writes.go.set()
        async with worker.working(one):
            first = await warm_task(world)
            await worker.runs(first)
            writes.go.clear()
            second = await warm_task(world)
            await worker.told("prepare", lambda order: order["uid"] == second["metadata"]["uid"])
        await known_to(two, first, lambda item: bool((item.get("status") or {}).get("podUid")))
        async with worker.working(two):
            await asyncio.wait_for(reads.asked.wait(), 30)
            writes.go.set()
            await known_to(two, second, lambda item: bool((item.get("status") or {}).get("podUid")))
            reads.go.set()
            await worker.runs(first)
            await worker.runs(second)
        assert (await world.task(second)).status.attempts == 1


async def test_a_cancel_before_a_claim_is_answered_leaves_nothing_open(world: GatewayWorld) -> None:
    """The claim stands, and the worker never hears of it. So it is asked to connect anew, and says what it has."""
    worker = await make_worker(world, await warm_template(world))
    unanswered = LostAnswers(world.kube)
    async with replica(world, client=unanswered) as at:
        await worker.connect(at)
        task = await warm_task(world)
        await worker.told("prepare")
        await world.until(task, lambda found: found.status.pod_uid == worker.uid)
        await world.cancel(task)
        unanswered.back.set()
        await worker.told("withdraw")
        await worker.gone()
        async with worker.working(at):
            found = await world.until(task, pods_are_gone)
            condition = found.status.condition(PODS_TERMINATED)
            assert condition is not None
            assert condition.reason == "WorkerReported"
            await worker.nothing_comes()
            await worker.runs(await warm_task(world))


async def test_what_ended_and_a_worker_still_holds_is_its_to_report(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at:
        async with worker.working(at):
            task = await warm_task(world)
            run = await worker.runs(task)
        await world.cancel(task)
        async with worker.working(at, holds=held(run)):
            await worker.told("end")
            await worker.nothing_comes()
            assert not pods_are_gone(await world.task(task))
            await worker.deliver(run, {"kind": "process", "exitCode": 143, "ordered": True})
            await world.until(task, pods_are_gone)


async def test_what_was_delivered_elsewhere_is_not_run_again(world: GatewayWorld) -> None:
    """The replica that the worker comes to may not have heard of the end yet."""
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as one, replica(world) as two:
        async with worker.working(one):
            task = await warm_task(world)
            run = await worker.runs(task)
            await known_to(two, task, lambda item: bool((item.get("status") or {}).get("podUid")))
            await two.fall_behind()
            await worker.deliver(run, result(), one)
        async with worker.working(two):
            await worker.nothing_comes()
    assert (await world.task(task)).status.attempts == 1


async def test_a_newer_connection_replaces_the_older_one(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    again = PlayedWorker(world, worker.pod, worker.token)
    async with replica(world) as at, worker.working(at), again.working(at):
        await worker.gone()
        await again.runs(await warm_task(world))


async def test_a_task_of_a_worker_that_died_with_the_order_unread_stays_claimed(world: GatewayWorld) -> None:
    """It counts as started: whether it may run again is for the task's own rules, and nobody else gets it by itself."""
    template = await warm_template(world)
    worker, other = await make_worker(world, template), await make_worker(world, template)
    async with replica(world) as at:
        async with worker.working(at):
            task = await warm_task(world)
            await worker.runs(task)
        await world.kube.delete(PODS, worker.name, world.namespace, grace_seconds=0)
        async with other.working(at):
            await other.nothing_comes()
    status = (await world.task(task)).status
    assert (status.pod_uid, status.attempts) == (worker.uid, 1)


async def test_workers_go_elsewhere_when_their_replica_stops(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        await at.gateway.release_workers()
        await worker.gone()
        answer = await world.call("GET", WORK_PATH, worker.token, http=at.http)
        assert code(answer) == (503, "Unavailable")


# --- How processes end ---


@pytest.mark.parametrize(
    ("process", "reason", "says"),
    [
        ({"exitCode": 3}, "ExitCode", "ended with exit code 3 and delivered no result"),
        ({"exitCode": 0}, "ResultMissing", "must not end the process itself"),
        ({"signal": 11}, "KilledBySignal", "ended by SIGSEGV"),
        ({"signal": 9, "oomKilled": True}, "OOMKilled", "used more memory than its limit"),
        ({"signal": 15, "deadlineExceeded": True}, "DeadlineExceeded", "longer than 3600 s, counted from its start"),
        ({"signal": 15, "workerStopped": True}, "Preempted", "was taken away while it ran the tool"),
    ],
)
async def test_a_process_that_ends_without_an_answer_fails_its_task_in_the_usual_words(
    world: GatewayWorld, process: JsonObject, reason: str, says: str
) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        task = await warm_task(world)
        run = await worker.runs(task)
        outcome = {"kind": "process", "logTail": "Fatal: it broke\n", **process}
        assert (await worker.deliver(run, outcome)).status_code == 204
        assert (await worker.deliver(run, outcome)).status_code == 204
        await worker.runs(await warm_task(world))
    status = (await ended(world, task)).status
    assert (status.phase, status.reason) == ("failed", reason)
    assert says in (status.message or "")
    assert status.condition("PodsTerminated") is not None
    assert status.log is not None
    assert status.log.text == "Fatal: it broke\n"


async def test_an_attempt_that_may_be_repeated_waits_and_is_the_next_one(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        task = await warm_task(world, retries=1)
        run = await worker.runs(task)
        await worker.deliver(run, {"kind": "process", "exitCode": 1})
        status = (await world.task(task)).status
        assert (status.reason, status.retries_used, status.pod_uid) == ("Retrying", 1, None)
        assert status.retry_after is not None
        assert "another one follows" in (status.message or "")
        await worker.told("end")
        await worker.nothing_comes()
        past = {"status": {"retryAfter": "2020-01-01T00:00:00Z"}}
        await world.patch(task, past, "status")
        again = await worker.runs(task)
        assert again["attempt"] == 2
        # What the first attempt says late counts for nothing.
        for outcome in (result('{"late":1}'), {"kind": "process", "exitCode": 1}, {"kind": "unstarted"}):
            assert code(await worker.deliver(run, outcome)) == (409, "Superseded")
        assert code(await worker.report(run, 5)) == (409, "Superseded")
        assert (await worker.deliver(again, result('{"right":1}'))).status_code == 204
    assert (await world.task(task)).phase is Phase.COMPLETED


async def test_an_attempt_that_was_released_before_its_claim_was_known_is_followed_by_another(
    world: GatewayWorld,
) -> None:
    worker = await make_worker(world, await warm_template(world))
    client = LostAnswers(world.kube)
    async with replica(world, client=client) as at, worker.working(at):
        task = await warm_task(world)
        await known_to(at, task, lambda item: bool((item.get("status") or {}).get("podUid")))
        release = {"podUid": None, "podName": None, "nodeName": None, "reason": "Retrying", "retriesUsed": 1}
        released = release | {"retryAfter": timestamp(utc_now() + timedelta(seconds=3))}
        await TaskClient(world.kube).update_status(
            await world.kube.get(MCP_TASKS, task["metadata"]["name"], world.namespace), lambda _: {"status": released}
        )
        await known_to(at, task, lambda item: not item["status"].get("podUid"))
        client.back.set()
        await worker.told("withdraw")
        assert (await worker.runs(task))["attempt"] == 2


async def test_what_a_worker_gives_back_unbegun_goes_to_another_one_and_uses_up_no_retry(world: GatewayWorld) -> None:
    template = await warm_template(world)
    worker, other = await make_worker(world, template), await make_worker(world, template)
    async with replica(world) as at:
        async with worker.working(at):
            task = await warm_task(world)
            run = await worker.runs(task)
            marked = {"metadata": {"annotations": {ANNOTATION_DRAIN: "true"}}}
            await world.kube.patch(PODS, worker.name, marked, world.namespace)
            await worker.told("drain")
            given_back = {"kind": "unstarted", "message": "its worker ends"}
            assert (await worker.deliver(run, given_back)).status_code == 204
        async with other.working(at):
            await other.runs(task)
    assert (await world.task(task)).status.retries_used in (None, 0)


async def test_a_worker_must_name_the_attempt_that_its_call_is_about(world: GatewayWorld) -> None:
    worker = await make_worker(world, await warm_template(world))
    async with replica(world) as at, worker.working(at):
        run = await worker.runs(await warm_task(world))
        for wrong in ({"taskId": ""}, {"taskId": "../x"}, {"uid": ""}, {"attempt": "one"}, {"attempt": 0}):
            assert code(await worker.deliver(run | wrong, result())) == (422, "Invalid")
        assert code(await worker.deliver(run | {"uid": "another"}, result())) == (410, "TaskGone")
        assert code(await worker.deliver(run | {"attempt": 2}, result())) == (409, "Superseded")
        assert code(await worker.deliver(run | {"taskId": "no-such-task"}, result())) == (410, "TaskGone")
        assert (await worker.deliver(run, result())).status_code == 204


async def test_a_worker_cannot_report_of_another_workers_task(world: GatewayWorld) -> None:
    template = await warm_template(world)
    worker, other = await make_worker(world, template), await make_worker(world, template)
    async with replica(world) as at, worker.working(at):
        task = await warm_task(world)
        run = await worker.runs(task)
        for outcome in (result(), {"kind": "process", "exitCode": 1}, {"kind": "unstarted"}):
            assert code(await other.deliver(run, outcome, at)) == (409, "Superseded")
        assert (await world.task(task)).phase is Phase.WORKING


async def test_what_is_in_a_worker_can_report_for_all_that_it_has_and_for_nothing_else(world: GatewayWorld) -> None:
    """A task can read its worker's token: so far that reaches, and no further."""
    template = await warm_template(world, concurrency=2)
    worker, other = await make_worker(world, template), await make_worker(world, template)
    async with replica(world) as at:
        async with worker.working(at):
            mine, beside = await warm_task(world), await warm_task(world)
            runs = [await worker.runs(mine), await worker.runs(beside)]
        async with other.working(at):
            elsewhere = await other.runs(await warm_task(world))
        waiting = await warm_task(world)
        unclaimed = elsewhere | {"taskId": waiting["metadata"]["name"], "uid": waiting["metadata"]["uid"]}
        for run in runs:
            assert (await worker.report(run, 1, at)).status_code in (200, 204)
        assert code(await worker.report(elsewhere, 1, at)) == (409, "Superseded")
        assert code(await worker.deliver(elsewhere, result(), at)) == (409, "Superseded")
        assert code(await worker.deliver(unclaimed, result(), at)) == (409, "Superseded")
        assert not (await world.task(waiting)).terminal


async def test_a_task_that_is_handed_to_a_half_open_connection_runs_once_on_the_live_one(world: GatewayWorld) -> None:
    """One replica does not know yet that its worker has gone to the other, and is the first to claim for it."""
    worker = await make_worker(world, await warm_template(world))
    live = PlayedWorker(world, worker.pod, worker.token)
    late = HeldBackClient(world.kube)
    async with (
        replica(world) as stale,
        replica(world, client=late) as at,
        worker.working(stale),
        live.working(at),
    ):
        tasks = [await warm_task(world) for _ in range(3)]
        # The first claim is of the replica that nobody reads any more.
        await world.until(tasks[0], lambda found: found.status.pod_uid == worker.uid)
        late.go.set()
        for _ in tasks:
            assert (await live.deliver(await live.runs(), result())).status_code == 204
        for task in tasks:
            found = await ended(world, task)
            assert (found.phase, found.status.attempts) == (Phase.COMPLETED, 1)
        assert {order["kind"] for order in live.orders} <= {"prepare", "withdraw"}


async def test_a_replica_that_stands_still_holds_up_no_task_of_its_worker(world: GatewayWorld) -> None:
    """It has claimed for a worker that has left it, and tells nobody: its writes are stuck."""
    worker = await make_worker(world, await warm_template(world))
    stuck = LostAnswers(world.kube)
    async with replica(world, client=stuck) as one, replica(world) as two:
        async with worker.working(one):
            task = await warm_task(world)
            await worker.told("prepare")
            await world.until(task, lambda found: found.status.pod_uid == worker.uid)
        async with worker.working(two):
            run = await worker.runs(task)
            assert run["attempt"] == 1
            await worker.deliver(run, result())
            assert (await ended(world, task)).phase is Phase.COMPLETED
            stuck.back.set()
            await worker.nothing_comes()
    assert (await world.task(task)).status.attempts == 1


DRAINS = {"metadata": {"annotations": {ANNOTATION_DRAIN: "true"}}}


async def test_a_worker_that_is_to_drain_while_a_claim_is_written_runs_that_and_nothing_more(
    world: GatewayWorld,
) -> None:
    worker = await make_worker(world, await warm_template(world))
    late = HeldBackClient(world.kube)
    async with replica(world, client=late) as at, worker.working(at):
        task = await warm_task(world)
        await worker.told("prepare")
        await world.kube.patch(PODS, worker.name, DRAINS, world.namespace)
        await worker.told("drain")
        late.go.set()
        run = await worker.runs(task)
        following = await warm_task(world)
        await known_to(at, following, lambda _: True)
        assert (await worker.deliver(run, result())).status_code == 204
        await worker.nothing_comes()
    assert (await ended(world, task)).phase is Phase.COMPLETED
    assert (await world.task(following)).status.attempts is None


async def test_a_task_that_ends_in_the_instant_its_worker_is_drained_counts_once(world: GatewayWorld) -> None:
    template = await warm_template(world)
    worker, other = await make_worker(world, template), await make_worker(world, template)
    async with replica(world) as at:
        async with worker.working(at):
            task = await warm_task(world)
            run = await worker.runs(task)
            answers = await asyncio.gather(
                worker.deliver(run, result()),
                world.kube.patch(PODS, worker.name, DRAINS, world.namespace),
                world.kube.delete(PODS, worker.name, world.namespace),
            )
            assert answers[0].status_code == 204
        async with other.working(at):
            await other.nothing_comes()
    found = await world.task(task)
    assert (found.phase, found.status.attempts) == (Phase.COMPLETED, 1)


async def test_a_worker_that_loses_the_network_while_its_task_ends_delivers_once_wherever_it_comes_back(
    world: GatewayWorld,
) -> None:
    """Nothing of it arrives for a while; meanwhile nobody else gets its task."""
    template = await warm_template(world)
    worker, other = await make_worker(world, template), await make_worker(world, template)
    async with replica(world) as one, replica(world) as two, other.working(one):
        await worker.connect(one)
        for _ in range(2):
            await warm_task(world)
        run, beside = await worker.runs(), await other.runs()
        await worker.disconnect()
        await other.nothing_comes()
        async with worker.working(two, holds=held(run)):
            answers = [await worker.deliver(run, result()) for _ in range(2)]
            assert [answer.status_code for answer in answers] == [204, 204]
        for each in (run, beside):
            assert (await world.task({"metadata": {"name": each["taskId"]}})).status.attempts == 1
