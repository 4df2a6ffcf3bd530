"""Where a task's limits come from."""

from __future__ import annotations

from mcptasks.model.process_failures import Limit
from mcptasks.model.task import Phase
from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks.settings import Settings
from mcptasks_operator.deciding.policy import policy_of
from tests.unit.operator.builders import make_task

SETTINGS = Settings(
    start_deadline_seconds=100, default_timeout_seconds=200, default_ttl_seconds=300, result_floor_seconds=4
)
GPU = make_task(spec={"templateRef": {"name": "gpu"}})


def test_without_a_template_the_settings_hold() -> None:
    policy = policy_of(GPU, None, SETTINGS)
    assert policy.start == Limit(100, "MCPTASKS_START_DEADLINE_SECONDS of the operator")
    assert policy.run == Limit(200, "MCPTASKS_DEFAULT_TIMEOUT_SECONDS of the operator")
    for phase in (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED):
        assert (policy.retention(phase).ttl_ms, policy.retention(phase).floor_seconds) == (300_000, 4)


def test_the_template_comes_before_the_settings_and_is_named() -> None:
    template = McpTaskTemplateSpec.model_validate(
        {
            "startDeadlineSeconds": 10,
            "timeoutSeconds": 20,
            "retention": {"completedSeconds": 30, "failedSeconds": 0},
        }
    )
    policy = policy_of(GPU, template, SETTINGS)
    assert policy.start == Limit(10, "startDeadlineSeconds of McpTaskTemplate gpu")
    assert policy.run == Limit(20, "timeoutSeconds of McpTaskTemplate gpu")
    assert policy.retention(Phase.COMPLETED).ttl_ms == 30_000
    assert policy.retention(Phase.FAILED).ttl_ms == 0
    assert policy.retention(Phase.CANCELLED).ttl_ms == 0


def test_the_tasks_own_timeout_comes_first() -> None:
    task = make_task(spec={"timeoutSeconds": 5})
    template = McpTaskTemplateSpec(timeout_seconds=20)
    assert policy_of(task, template, SETTINGS).run == Limit(5, "spec.timeoutSeconds of the task")


def test_the_pods_deadline_in_the_template_caps_them_all() -> None:
    task = make_task(spec={"timeoutSeconds": 50, "templateRef": {"name": "gpu"}})
    template = McpTaskTemplateSpec(pod_template={"spec": {"activeDeadlineSeconds": 30}})
    assert policy_of(task, template, SETTINGS).run == Limit(
        30, "activeDeadlineSeconds in the Pod of McpTaskTemplate gpu"
    )
