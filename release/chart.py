"""Packages the chart of a version: python -m release.chart 1.2.3 dist --image NAME --digest SHA"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHART = Path(__file__).parents[1] / "charts" / "mcptasks"


def semantic(version: str) -> str:
    """A Python version as Helm wants it: `1.2.4.dev7+gabc` is `1.2.4-dev.7+gabc`."""
    release, _, local = version.partition("+")
    found = re.fullmatch(r"(\d+\.\d+\.\d+)(?:\.dev(\d+))?", release)
    if found is None:
        raise ValueError(f"{version} is neither a release nor a development version")
    return found[1] + (f"-dev.{found[2]}" if found[2] is not None else "") + (f"+{local}" if local else "")


def with_image(values: str, image: str, digest: str) -> str:
    """The chart's values.yaml with this image by default; comments stay.

    Args:
        values: the text of the file.
        image: registry and name.
        digest: of the image, with its algorithm.
    """
    registry, _, repository = image.partition("/")
    section = re.search(r"^image:\n(?:(?:  .*)?\n)+", values, re.MULTILINE)
    if section is None:
        raise ValueError("values.yaml has no image")
    text = section[0]
    for key, value in (("registry", registry), ("repository", repository), ("digest", digest)):
        text, changed = re.subn(rf"^  {key}: .*$", f"  {key}: {value}", text, count=1, flags=re.MULTILINE)
        if not changed:
            raise ValueError(f"values.yaml has no image.{key}")
    return values[: section.start()] + text + values[section.end() :]


def package(version: str, folder: Path, image: str | None, digest: str | None) -> None:
    """Write mcptasks-VERSION.tgz into the folder; $HELM or helm does it."""
    number = semantic(version)
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(CHART, Path(temporary) / "mcptasks"))
        if image and digest:
            values = copy / "values.yaml"
            values.write_text(with_image(values.read_text(), image, digest))
        chosen = ["--version", number, "--app-version", version, "--destination", str(folder)]
        subprocess.run([os.environ.get("HELM", "helm"), "package", str(copy), *chosen], check=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m release.chart", description=__doc__)
    parser.add_argument("version")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--image", help="registry and name of the image")
    parser.add_argument("--digest", help="the image's, sha256:...")
    chosen = parser.parse_args(arguments)
    if (chosen.image is None) != (chosen.digest is None):
        parser.error("--image and --digest come together")
    package(chosen.version, chosen.folder, chosen.image, chosen.digest)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
