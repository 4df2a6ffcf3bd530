"""What an agent hands in for an attempt: pure."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass

from mcptasks.gateway.contract import ProcessOutcome
from mcptasks.model.base import Model
from mcptasks.model.task import TaskUsage
from mcptasks.worker.task_handle import ProcessEnd

CUT_OFF = "it closed its connection to the worker, as by closing all descriptors, and could not answer any more"
REAPER_LOST = "the process that supervised it was killed, as by a signal to all processes"


class WorkerWords(Model):
    """What a worker adds to an outcome, as the contract names it: the end of the output, and figures."""

    log_tail: str | None = None
    usage: TaskUsage | None = None
    process_seconds: float | None = None


@dataclass
class EndCauses:
    """What the agent itself knows of why a process ended."""

    ordered: bool = False
    deadline_exceeded: bool = False
    worker_stopped: bool = False
    cut_off: bool = False
    killed: bool = False
    oom_kills: int = 0
    """How many processes the kernel has ended for want of memory since the attempt began."""

    def outcome(self, end: ProcessEnd, words: WorkerWords) -> ProcessOutcome:
        """The outcome of a process that gave none."""
        said = [CUT_OFF] if self.cut_off else []
        if end.status is None:
            said.append(REAPER_LOST)
        if end.left:
            said.append(f"{end.left} of the processes that it had started could not be killed")
        return ProcessOutcome(
            exit_code=end.exit_code,
            signal=end.signal,
            oom_killed=end.signal == signal.SIGKILL and not self.killed and self.oom_kills > 0,
            deadline_exceeded=self.deadline_exceeded,
            ordered=self.ordered,
            worker_stopped=self.worker_stopped,
            message="; ".join(said) or None,
            log_tail=words.log_tail,
            usage=words.usage,
            process_seconds=words.process_seconds,
        )


def with_words(outcome: bytes, words: WorkerWords) -> bytes:
    """An outcome's JSON with what its worker adds. It may be large, so it is not parsed."""
    said = words.dump()
    if not said or not outcome.rstrip().endswith(b"}"):
        return outcome
    return outcome.rstrip()[:-1] + b"," + json.dumps(said, ensure_ascii=False).encode()[1:]
