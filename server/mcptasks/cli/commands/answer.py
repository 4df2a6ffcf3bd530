"""`mcptasks answer`: what a running task asks, answered by somebody who may."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import typer

from mcptasks.cli.cluster_options import ContextOption, KubeconfigOption, NamespaceOption
from mcptasks.cli.cluster_session import ClusterOptions, ClusterSession, TaskPlace, on_cluster
from mcptasks.cli.command_errors import CliError, as_cli_error, usage_error
from mcptasks.cli.progress_view import PlainView
from mcptasks.cli.question_dialog import QuestionDialog, terminal_lines
from mcptasks.cli.question_form import AnswerError, AnswerSheet
from mcptasks.cli.task_completion import complete_task
from mcptasks.cli.task_questions import DECLINED, answer_of, elicitation_of, questions_of
from mcptasks.cli.terminal_text import tell
from mcptasks.client import Elicitation, Reply
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.model.base import GROUP, JsonObject
from mcptasks.model.exit_codes import ExitCode
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.questions import Answer, answered
from mcptasks.model.task import McpTask

OUTCOMES = {"accept": "answered", "decline": "declined", "cancel": "declined"}


def command(
    name: Annotated[str, typer.Argument(help="The task.", autocompletion=complete_task)],
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", metavar="KEY=VALUE", help="A field of the answer; the others are asked for."),
    ] = None,
    decline: Annotated[bool, typer.Option("--decline", help="Answer no question; the tool goes on without.")] = False,
    question: Annotated[
        str | None, typer.Option("--question", metavar="KEY", help="Only this one of the task's questions.")
    ] = None,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Answer what a task asks, on the terminal or with --answer. The first answer counts.

    It takes the right to patch mcptasks/status. Ctrl-D declines, Ctrl-C leaves the question as it is.

    \b
    Example:
      mcptasks answer remove-duplicates-x5b2c7
      mcptasks answer remove-duplicates-x5b2c7 --answer delete=yes --answer keep=newest
    """
    if decline and answer:
        raise usage_error("--decline gives no answer: leave --answer out")
    with as_cli_error(AnswerError, exit_code=ExitCode.USAGE):
        sheet = AnswerSheet.parse(answer or ())
    dialog = None
    if not decline:
        dialog = QuestionDialog(sheet, terminal_lines(), PlainView(), interruption="leaves the question as it is")
    options = ClusterOptions(kubeconfig, context, namespace)
    on_cluster(options, lambda cluster: _answer(cluster, name, question, dialog), changes=True)


@dataclass(frozen=True)
class TaskAnswering:
    """Answers the questions of one task. `dialog` is None where all are declined."""

    place: TaskPlace
    dialog: QuestionDialog | None

    async def run(self, key: str | None) -> None:
        """Answer the question of the key, or all. Raises CliError, KubeError."""
        kube, namespace = self.place.cluster.kube, self.place.cluster.namespace
        item = await kube.get(MCP_TASKS, self.place.name, namespace)
        for request in questions_of(parse_task(item), key):
            question = elicitation_of(self.place.name, request)
            reply = DECLINED if self.dialog is None else await _asked(self.dialog, question)
            is_first = await self.write(item, request.key, answer_of(question, reply))
            outcome = OUTCOMES[reply.action] if is_first else "had an answer already"
            typer.echo(f"mcptask.{GROUP}/{self.place.name} {outcome}")

    async def write(self, item: JsonObject, key: str, answer: Answer) -> bool:
        """Put the answer down; gives whether it is the first one.

        Raises CliError where the task takes none any more.
        """
        patches: list[JsonObject | None] = []

        def change(task: McpTask) -> JsonObject | None:
            patches.append(answered(task, {key: answer}, utc_now()))
            return patches[-1]

        after = parse_task(await TaskClient(self.place.cluster.kube).update_status(item, change))
        asked = next((request for request in after.status.input_requests or () if request.key == key), None)
        if patches[-1] is None and (asked is None or not asked.answered):
            why = f"it has ended ({after.phase})" if after.terminal else "it does not ask that any more"
            raise CliError(f"task {self.place.name} has not taken the answer: {why}")
        return patches[-1] is not None


async def _answer(cluster: ClusterSession, name: str, key: str | None, dialog: QuestionDialog | None) -> None:
    await TaskAnswering(await cluster.find(name), dialog).run(key)
    for given in () if dialog is None else dialog.not_asked:
        tell(f"--answer {given} was not asked for")


async def _asked(dialog: QuestionDialog, question: Elicitation) -> Reply:
    """The user's reply. Raises CliError where there is nobody to ask and --answer does not do."""
    reply, failure = asyncio.ensure_future(dialog.answer(question)), asyncio.ensure_future(dialog.failed.wait())
    try:
        await asyncio.wait((reply, failure), return_when=asyncio.FIRST_COMPLETED)
        if dialog.failure is not None:
            raise dialog.failure
        return reply.result()
    finally:
        reply.cancel()
        failure.cancel()
