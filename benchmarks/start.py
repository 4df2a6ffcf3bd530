"""What the start of a task's process costs: CPU of processes that import the runner and a module, in JSON.

    python benchmarks/start.py --module tests/e2e/tools.py --samples 20

`command` imports as `mcptasks run` does; `plain` imports the same in the ordinary way, with Python's garbage
collection. The two take turns.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measure import machine, printed, say, summary  # noqa: E402

MODULE = "from mcptasks.authoring.loader import load_server; load_server({module!r})"
SIDES = {
    "command": f"from mcptasks.cli import application; application(['run']); {MODULE}",
    "plain": f"import mcptasks.cli.commands.run; mcptasks.cli.application([]); {MODULE}",
}


def cpu_of(program: str) -> float:
    """CPU seconds of a Python process that runs the program."""
    process = os.posix_spawn(sys.executable, [sys.executable, "-c", program], os.environ)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"this has failed: {program}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", default=str(ROOT / "tests/e2e/tools.py"), help="module with a server, as a file")
    parser.add_argument("--samples", type=int, default=20, help="processes of each side")
    arguments = parser.parse_args()
    programs = {side: program.format(module=arguments.module) for side, program in SIDES.items()}
    with printed() as report:
        report |= {"machine": machine(), "module": arguments.module}
        samples: dict[str, list[float]] = {side: [] for side in programs}
        for number in range(arguments.samples + 1):
            say(f"{number} of {arguments.samples}")
            for side, program in programs.items():
                cost = cpu_of(program)
                # The first ones compile what is imported.
                if number:
                    samples[side].append(cost)
        report |= {side: summary(found) for side, found in samples.items()}


if __name__ == "__main__":
    main()
