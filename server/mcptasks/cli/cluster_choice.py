"""Which cluster a command is about: the one it was told, or that of the `mcptasks dev` that runs in this directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mcptasks.dev.dev_record import DevRecord, DevRecords
from mcptasks.kube.access import ClusterAccess

KUBECONFIG = "KUBECONFIG"


@dataclass(frozen=True)
class ClusterChoice:
    """A cluster, and what made a command choose it."""

    access: ClusterAccess
    by_option: bool = False
    """Whether an option of the command names the cluster, so that the user knows it."""

    by_kubectl: bool = False
    """Whether it is the one that kubectl takes, whose plugin the program is."""

    dev: DevRecord | None = None
    from_environment: str | None = None
    """The variable that names the cluster."""

    passed_over: DevRecord | None = None
    """The `dev` that runs here, where a variable names another cluster than its own."""

    @property
    def is_default(self) -> bool:
        """Whether nothing names the cluster and no `dev` was found."""
        return not self.is_known and self.dev is None and self.from_environment is None

    @property
    def is_known(self) -> bool:
        """Whether the user knows the cluster without being told."""
        return self.by_option or self.by_kubectl

    @property
    def advice(self) -> str:
        """What to say besides where the kubeconfig cannot be used; empty where it was named."""
        if self.passed_over is not None:
            own = f"that of `mcptasks dev` for {self.passed_over.directories[0]}"
            return f"without {self.from_environment} the cluster is {own}"
        return "no `mcptasks dev` runs in this directory or one above" if self.is_default else ""

    def is_told(self, *, changes: bool) -> bool:
        """Whether a command says which cluster it is about; `changes` says that it is not just to look."""
        surprises = self.dev is not None or self.passed_over is not None
        return surprises or (changes and not self.is_known)

    def described(self, host: str) -> str:
        """Which cluster it is, in words; `host` is its address."""
        if self.passed_over is not None:
            other = self.passed_over
            return f"{self._named(host)}, not that of `mcptasks dev` for {other.directories[0]} ({other.endpoint})"
        return self._named(host)

    def _named(self, host: str) -> str:
        if self.dev is not None:
            return f"that of `mcptasks dev` for {self.dev.directories[0]} ({self.dev.endpoint})"
        if self.access.kubeconfig is None and (context := self.access.context_name()) is not None:
            source = self.from_environment or "~/.kube/config"
            return f"{host} (context {context} of {source})"
        return f"{host} ({self.from_environment})" if self.from_environment else host


def choose_cluster(
    given: ClusterAccess, *, by_option: bool, environment: Mapping[str, str], directory: Path, home: Path
) -> ClusterChoice:
    """The cluster that is given; a running `dev` for the directory where nothing names one."""
    choice = ClusterChoice(given, by_option=by_option)
    if by_option and (given.kubeconfig is not None or given.context is not None):
        return choice
    everywhere = (records.find(directory, home) for records in DevRecords.wherever(environment))
    found = next(filter(None, everywhere), None)
    if given.kubeconfig is not None or given.context is not None:
        variables = "MCPTASKS_KUBECONFIG or MCPTASKS_CONTEXT"
        return replace(choice, from_environment=variables, passed_over=_other(found, given.kubeconfig))
    if files := environment.get(KUBECONFIG):
        first = next(filter(None, files.split(os.pathsep)), None)
        other = _other(found, None if first is None else Path(first))
        return replace(choice, from_environment=KUBECONFIG, passed_over=other)
    return choice if found is None else replace(choice, access=ClusterAccess(found.kubeconfig), dev=found)


def _other(found: DevRecord | None, kubeconfig: Path | None) -> DevRecord | None:
    """The `dev` that was found, unless its cluster is the one that the kubeconfig is for."""
    is_its_own = found is not None and kubeconfig is not None and kubeconfig.resolve() == found.kubeconfig.resolve()
    return None if is_its_own else found
