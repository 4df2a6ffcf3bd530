"""What tasks print, told apart by task, from what the embedded cluster's Pods print."""

from __future__ import annotations

from collections.abc import Callable

from mcptasks.model.task_lines import TaskLine

TaskOutput = Callable[[str, str], None]
"""Takes a task's id and a line that it printed; called in the cluster's thread, must not block."""


def by_task(on_output: TaskOutput | None) -> Callable[[str, str, str], None] | None:
    """Takes the lines of Pods, by Pod, container and text, and passes on those of tasks."""
    if on_output is None:
        return None

    def pass_on(pod: str, _container: str, line: str) -> None:
        if not is_worker(pod):
            # A Job's Pods are named after it with a dash and five characters, and the Job is named as its task.
            on_output(pod.rpartition("-")[0], line)
        elif (tagged := TaskLine.parse(line)) is not None:
            on_output(tagged.task, tagged.text)

    return pass_on


def is_worker(pod: str) -> bool:
    """Whether a Pod's name is that of a worker: its template's, `-w-` and eight hexadecimal digits."""
    return pod.rpartition("-")[0].endswith("-w")
