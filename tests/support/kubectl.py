"""A real kubectl, as the tests use it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mcptasks.model.base import JsonObject


def kubectl_path() -> str:
    """The kubectl to use: $KUBECTL, or the one on the PATH (`make test` puts one there)."""
    path = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if path is None:
        raise RuntimeError("no kubectl on the PATH: run the tests with `make test`, or set KUBECTL")
    return path


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl against one cluster and namespace."""

    kubeconfig: Path
    namespace: str

    def command(self, *arguments: str) -> list[str]:
        return [kubectl_path(), f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *arguments]

    def run(self, *arguments: str, stdin: str | None = None, check: bool = True, seconds: float = 60) -> str:
        """What kubectl prints. A failure is an AssertionError with all that it said."""
        done = subprocess.run(
            self.command(*arguments), input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )
        if check:
            assert done.returncode == 0, f"kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout if check else done.stdout + done.stderr

    def apply(self, *objects: JsonObject) -> str:
        return self.run("apply", "-f", "-", stdin="\n".join(json.dumps(item) for item in objects))

    def get(self, kind: str, name: str) -> JsonObject:
        found: JsonObject = json.loads(self.run("get", kind, name, "-o", "json"))
        return found

    def find(self, kind: str, name: str) -> JsonObject | None:
        """The object, or None where there is none."""
        text = self.run("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def lease_holder(self, name: str) -> str:
        """Identity of whoever holds the Lease; empty where nobody does."""
        return str(self.get("lease", name)["spec"]["holderIdentity"])

    def list(self, kind: str, selector: str | None = None) -> list[JsonObject]:
        arguments = ["get", kind, "-o", "json", *(["-l", selector] if selector else [])]
        items: list[JsonObject] = json.loads(self.run(*arguments))["items"]
        return items
