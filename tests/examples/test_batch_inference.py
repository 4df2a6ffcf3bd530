"""Batch inference, on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcptasks.client import CallProgress, Client
from tests.examples.conftest import ServedExample, cold_patch
from tests.examples.gallery import check_page

pytestmark = pytest.mark.anyio


def test_its_page_shows_what_is_printed(served: ServedExample, tmp_path: Path) -> None:
    check_page("batch_inference", served.url, tmp_path)


async def test_all_images_are_classified_with_progress(served: ServedExample) -> None:
    reports: list[CallProgress] = []
    async with Client(served.url) as client:
        task = await client.call_tool("classify", {"run": "first"}, task=True, on_progress=reports.append)
        result = await task.result(timeout=120)
    assert result.data["device"] == "CPUExecutionProvider"
    assert (result.data["images"], result.data["reused"]) == (899, 0)
    assert result.data["accuracy"] > 0.9
    assert len(result.data["worst"]) == 3
    assert reports[-1].total == 899
    assert served.kubectl.get("mcptask", task.task_id)["spec"]["templateRef"]["name"] == "gpu"


async def test_an_attempt_goes_on_where_a_lost_one_was(served: ServedExample) -> None:
    async with Client(served.url) as client:
        whole = (await client.call_tool("classify", {"run": "lost", "batch_size": 100})).data
        folder = served.predictions / "lost"
        # The first attempt came as far as the fourth batch, and was killed while it wrote that.
        for part in sorted(folder.glob("*.npy"))[3:]:
            part.rename(part.with_suffix(".unfinished"))
        second = (await client.call_tool("classify", {"run": "lost", "batch_size": 100})).data
    assert second == whole | {"reused": 300}
    assert [path.suffix for path in folder.iterdir()].count(".npy") == 9


async def test_finally_a_pod_that_has_to_have_a_gpu_says_that_it_has_none(served: ServedExample) -> None:
    patch = cold_patch({"NEEDS_GPU": "true"})
    served.kubectl.run("patch", "mcptasktemplate", "gpu", "--type=merge", "-p", json.dumps(patch))
    async with Client(served.url) as client:
        result = await client.call_tool("classify", {"run": "without"})
    assert result.is_error
    assert "This Pod has no usable GPU: ONNX Runtime offers" in result.text
