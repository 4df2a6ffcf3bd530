"""The files of docs/platform/two-teams.md, as the tests use them: on a cluster in namespaces of other names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from mcptasks.model.base import JsonObject
from tests.chart.helm import ROOT

FILES = ROOT / "deploy" / "platform" / "two-teams"
PLATFORM, TEAM_A, TEAM_B = "mcptasks-system", "team-a", "team-b"


@dataclass(frozen=True)
class TwoTeams:
    """The files, with a suffix for each namespace; none leaves them as they are."""

    suffix: str = ""

    def name(self, namespace: str) -> str:
        return namespace + self.suffix

    def text(self, file: str) -> str:
        text = (FILES / file).read_text()
        for word in (PLATFORM, TEAM_A, TEAM_B, "mcptasks-team"):
            text = text.replace(word, word + self.suffix)
        return text

    def objects(self) -> list[JsonObject]:
        """What is applied before the releases."""
        return [item for item in yaml.safe_load_all(self.text("namespaces.yaml")) if item]

    def values(self, file: str) -> JsonObject:
        """The values of a release."""
        found: JsonObject = yaml.safe_load(self.text(file))
        return found

    def write(self, folder: Path, file: str) -> Path:
        """The file of values, for helm."""
        path = folder / file
        path.write_text(self.text(file))
        return path
