"""Tasks that nest deeper than Python's parser goes, as an API server takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.operator.harness import SLEEPER, OperatorWorld, kubeconfig_for, python
from tests.integration.operator.proxy import proxied

pytestmark = pytest.mark.anyio

WORD = "as deep as can be"
DEEP = b"[" * 9000 + b"]" * 9000


async def test_they_keep_no_task_from_running(world: OperatorWorld, tmp_path: Path) -> None:
    """Neither what is listed at first nor what a watch brings: kopf parses both by itself."""
    await world.template(python(SLEEPER))
    async with proxied(world.cluster) as proxy:
        proxy.change = lambda line: line.replace(f'"{WORD}"'.encode(), DEEP)
        kubeconfig = kubeconfig_for(proxy.url, tmp_path / "kubeconfig")
        listed = await world.submit(arguments={"a": WORD})
        async with world.operator(kubeconfig=kubeconfig) as operator:
            watched = await world.submit(arguments={"a": WORD})
            plain = await world.submit()
            for name in (listed, watched, plain):
                await world.running(name)
            assert operator.code is None
