"""Batch inference on a GPU: an ONNX model classifies images, and the next attempt goes on where a lost one was.

The task's Pod comes from the template `gpu`. The same code runs on a CPU where there is no GPU. README.md says how to
run it here and in a cluster.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sklearn.datasets import load_digits

from mcptasks import Depends, Progress, TaskConfig, TaskServer

mcp = TaskServer("batch-inference")
log = logging.getLogger(__name__)

MODEL = Path(os.environ.get("MODEL", "/models/digits.onnx"))
PREDICTIONS = Path(os.environ.get("PREDICTIONS", "/predictions"))
NEEDS_GPU = os.environ.get("NEEDS_GPU") == "true"
GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
SHOWN = 3


class Mistake(BaseModel):
    """An image that the model takes for another digit."""

    image: int
    digit: int
    predicted: int
    certainty: float


class Classified(BaseModel):
    """What came of a run."""

    device: str = Field(description="ONNX Runtime's execution provider.")
    images: int
    reused: int = Field(description="Images that were classified before, by an earlier attempt or call.")
    accuracy: float
    worst: list[Mistake] = Field(description="The mistakes that the model is most certain of.")


@dataclass(frozen=True)
class Batch:
    """Images of one step, and where their predictions go."""

    images: Any
    part: Path


def open_session() -> Any:
    """The model, on the GPU where there is one. Raises ToolError where there is none and there has to be."""
    available = onnxruntime.get_available_providers()
    if GPU in available:
        onnxruntime.preload_dlls()
    session = onnxruntime.InferenceSession(MODEL, providers=[name for name in (GPU, CPU) if name in available])
    device = session.get_providers()[0]
    log.info("%s on %s", MODEL.name, device)
    if NEEDS_GPU and device != GPU:
        # A node's GPU would stand idle for hours, and nobody would know why the run is slow.
        raise ToolError(f"This Pod has no usable GPU: ONNX Runtime offers {', '.join(available)}")
    return session


@mcp.tool(task=TaskConfig(template="gpu", without_tasks="wait", timeout=6 * 3600, retries=2, idempotent=True))
def classify(
    run: Annotated[
        str, Field(pattern="^[a-z0-9-]{1,40}$", description="Names the run. The same name goes on with it.")
    ],
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 128,
    session: Any = Depends(open_session),
    progress: Progress = Progress(),
) -> Classified:
    """Classify all images that the model has not been trained with, and compare with what people read."""
    images, labels = unseen_digits()
    progress.set_total(len(images))
    folder = PREDICTIONS / run
    folder.mkdir(parents=True, exist_ok=True)
    reused, parts = 0, []
    for batch in batches(images, folder, batch_size):
        if batch.part.exists():
            reused += len(batch.images)
        else:
            write_part(batch.part, predicted(session, batch.images))
        parts.append(np.load(batch.part))
        progress.set_message(f"batch {batch.part.stem}")
        progress.increment(len(batch.images))
    probabilities = np.concatenate(parts)
    return Classified(
        device=session.get_providers()[0],
        images=len(images),
        reused=reused,
        accuracy=round(float((probabilities.argmax(axis=1) == labels).mean()), 4),
        worst=mistakes(probabilities, labels, SHOWN),
    )


def unseen_digits() -> tuple[Any, Any]:
    """Images as rows of 64 grey values, and the digits that people read in them. Put your own reader here."""
    images, labels = load_digits(return_X_y=True)
    half = len(images) // 2
    return images[half:].astype("float32"), labels[half:]


def batches(images: Any, folder: Path, size: int) -> Iterator[Batch]:
    """The images in steps. A part's name says which images are in it."""
    for start in range(0, len(images), size):
        chosen = images[start : start + size]
        yield Batch(chosen, folder / f"{start:06}-{start + len(chosen):06}.npy")


def predicted(session: Any, images: Any) -> Any:
    """The probability of each digit, for each image."""
    (probabilities,) = session.run(["probabilities"], {session.get_inputs()[0].name: images})
    return probabilities


def write_part(part: Path, probabilities: Any) -> None:
    """Write all of it or nothing: an attempt that is killed leaves no half a file for the next one to take up."""
    # An attempt whose node is lost may still write for a while: its file has another name.
    with tempfile.NamedTemporaryFile(
        dir=part.parent, prefix=f"{part.stem}-", suffix=".unfinished", delete=False
    ) as file:
        np.save(file, probabilities)
        file.flush()
        os.fsync(file.fileno())
    unfinished = Path(file.name)
    unfinished.chmod(0o644)
    unfinished.replace(part)


def mistakes(probabilities: Any, labels: Any, count: int) -> list[Mistake]:
    """The mistakes with the highest probabilities."""
    found = probabilities.argmax(axis=1)
    wrong = [int(index) for index in np.flatnonzero(found != labels)]
    wrong.sort(key=lambda index: -float(probabilities[index].max()))
    return [
        Mistake(
            image=index,
            digit=int(labels[index]),
            predicted=int(found[index]),
            certainty=round(float(probabilities[index].max()), 3),
        )
        for index in wrong[:count]
    ]
