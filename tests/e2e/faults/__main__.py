"""`python -m tests.e2e.faults`: the fault matrix on an installation of its own; `make faults` runs it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mcptasks.model.task_template import Executor
from tests.e2e.cluster import ClusterDeployment, installed
from tests.e2e.embedded import EmbeddedDeployment, embedded, embedded_settings
from tests.e2e.faults.components import Victim, victims
from tests.e2e.faults.matrix import matrix
from tests.e2e.faults.model import Summary, Trial
from tests.e2e.faults.worker_parts import unsettled, warm_victims, worker_pools

DEFAULT_TRIALS = 112


def main() -> int:
    options = _parse(sys.argv[1:])
    # Ended from outside, it still removes its installation.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _deployment(options.kubeconfig) as deployment:
        pools = worker_pools(deployment) if options.executor == Executor.WARM else []
        known = warm_victims(deployment, pools) if pools else victims(deployment)
        chosen = _choose(known, options.components)
        with matrix(deployment, _teller(options.output), options.copies) as trials:
            done = trials.run(chosen, options.sample or options.trials)
        summary = Summary.of(done, unsettled(pools))
    if options.output == "json":
        print(json.dumps({"summary": vars(summary), "trials": [trial.dump() for trial in done]}, indent=2))
    else:
        print(summary.line(), flush=True)
    return 0 if summary.clean else 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.faults", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="a real cluster; an embedded one without")
    parser.add_argument("--trials", type=int, default=DEFAULT_TRIALS, help="at least that many (default %(default)s)")
    parser.add_argument("--sample", type=int, help="at least that many instead, for a first look")
    parser.add_argument("--copies", type=int, default=2, help="tasks at each step of a round (default %(default)s)")
    parser.add_argument("--components", default="", help="only these, separated by semicolons")
    parser.add_argument(
        "--executor", choices=list(Executor), default=Executor.JOB, help="what runs the tasks (default %(default)s)"
    )
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    return parser.parse_args(arguments)


@contextmanager
def _deployment(kubeconfig: Path | None) -> Iterator[ClusterDeployment | EmbeddedDeployment]:
    if kubeconfig is not None:
        yield from installed(kubeconfig)
        return
    with tempfile.TemporaryDirectory(prefix="mcptasks-faults-") as folder:
        yield from embedded(Path(folder), embedded_settings())


def _choose(known: list[Victim], names: str) -> list[Victim]:
    wanted = [name.strip() for name in names.split(";") if name.strip()]
    there = {victim.name: victim for victim in known}
    if unknown := [name for name in wanted if name not in there]:
        sys.exit(f"no component {', '.join(unknown)} here; there are: {', '.join(there)}")
    return [there[name] for name in wanted] or known


def _teller(output: str) -> Callable[[Trial], None]:
    stream = sys.stderr if output == "json" else sys.stdout
    return lambda trial: print(f"{trial.line()}\n", end="", file=stream, flush=True)


if __name__ == "__main__":
    sys.exit(main())
