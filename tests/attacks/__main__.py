"""All attacks on the running product, or those of some kinds: `python -m tests.attacks --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from tests.attacks import caller, connections, leaks, objects, pod, worker
from tests.attacks.table import Attacks, AttackTable

KINDS: Mapping[str, tuple[Attacks, str]] = {
    "leaks": (leaks.attack, "secrets in what callers, terminals and logs are shown; tokens; ambiguous requests"),
    "caller": (caller.attack, "what one caller asks of a server's memory, connections and API server"),
    "connections": (connections.attack, "1,500 connections to each port"),
    "pod": (pod.attack, "what one task's Pod asks of the gateway"),
    "worker": (worker.attack, "what a worker's Pod, or a task in it, asks of the gateway"),
    "objects": (objects.attack, "tasks with values that nobody expects, made and deleted with kubectl"),
}


def parser() -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {name:12} {what}" for name, (_, what) in KINDS.items())
    made = argparse.ArgumentParser(
        prog="python -m tests.attacks",
        description="Start the product on loopback, attack it, and print what comes of each attack. Takes about eight "
        "minutes on two cores that have nothing else to do. Ends with 1 where the product did not hold.",
        epilog=f"kinds:\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("kinds", nargs="*", choices=[[], *KINDS], metavar="KIND", help="which ones; all by default")
    made.add_argument("-o", "--output", choices=["table", "json"], default="table", help="table is Markdown")
    return made


def main(words: list[str]) -> int:
    """Attack; gives the exit code."""
    arguments = parser().parse_args(words)
    table = AttackTable(arguments.output)
    for kind in arguments.kinds or KINDS:
        KINDS[kind][0](table)
    return table.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
