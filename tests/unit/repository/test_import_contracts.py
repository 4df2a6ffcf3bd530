"""The import contracts in pyproject.toml leave no package out: neither its inside, nor what it may not know."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.repository.sources import PACKAGES, ROOT

Contract = Mapping[str, Any]

CONTRACTS: Sequence[Contract] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

INDEPENDENT = {"mcptasks.cli.commands"}
"""Packages without layers: no module in them imports another one."""

ALLOWED: Mapping[str, set[str]] = {
    "the worker knows the gateway by its contract alone, and nothing of Kubernetes": {
        *("mcptasks.authoring", "mcptasks.logs", "mcptasks.model", "mcptasks.runner", "mcptasks.settings"),
        "mcptasks.tracing",
    },
    "the contract of gateway and runner rests on the model alone": {"mcptasks.model"},
    "the model imports nothing of ours": set(),
    "the runner talks to the gateway alone": {
        *("mcptasks.authoring", "mcptasks.gateway", "mcptasks.logs", "mcptasks.model", "mcptasks.protocol"),
        *("mcptasks.settings", "mcptasks.stores", "mcptasks.tasks", "mcptasks.tracing"),
    },
    "the client needs nothing of the server's side but names and models": {
        *("mcptasks.distribution", "mcptasks.model", "mcptasks.network", "mcptasks.tracing"),
    },
    "the dashboard serves no MCP, runs no tools and needs neither operator nor embedded cluster": {
        *("mcptasks.client", "mcptasks.diagnostics", "mcptasks.kube", "mcptasks.logs", "mcptasks.model"),
        *("mcptasks.network", "mcptasks.server", "mcptasks.settings", "mcptasks.stores", "mcptasks.tasks"),
    },
    "the operator decides without I/O": {
        *("mcptasks.gateway", "mcptasks.model", "mcptasks.settings", "mcptasks.tracing"),
    },
    "the operator speaks no MCP": {
        *("mcptasks.diagnostics", "mcptasks.distribution", "mcptasks.kube", "mcptasks.logs", "mcptasks.metrics"),
        *("mcptasks.model", "mcptasks.network", "mcptasks.settings", "mcptasks.stores", "mcptasks.tracing"),
    },
    "the embedded cluster knows nothing of mcptasks": set(),
}
"""By the contracts that forbid packages of ours: the packages that their source may import."""

KNOWN_BY: Mapping[str, set[str]] = {
    "only a command needs what moves programs over": {"mcptasks.cli"},
    "only the command line knows the operator": {"mcptasks.cli"},
}
"""By the contracts about a package that few may import: those few."""


def packages() -> set[str]:
    """What the contracts name: the parts of `mcptasks`, and the two other packages as a whole."""
    folder = PACKAGES["mcptasks"]
    parts = {path.parent.name for path in folder.glob("*/__init__.py")} | {path.stem for path in folder.glob("*.py")}
    return {f"mcptasks.{part}" for part in parts if not part.startswith("__")} | PACKAGES.keys() - {"mcptasks"}


def package_of(module: str) -> str:
    """The package of ours, as `packages` names it, that a module or a pattern of modules is in."""
    return ".".join(module.split(".")[: 2 if module.startswith("mcptasks.") else 1])


def whole(names: Iterable[str]) -> set[str]:
    """The packages of ours that are named as a whole, be it as all of their modules."""
    named = {name.removesuffix(".*") for name in names}
    return packages() if "mcptasks" in named else named & packages()


def left_out(contract: Contract) -> set[str]:
    """Packages that a contract neither names nor, by the tables above, leaves out on purpose."""
    name, sources, forbidden = contract["name"], contract["source_modules"], contract["forbidden_modules"]
    if name in KNOWN_BY:
        return packages() - whole(sources) - whole(forbidden) - KNOWN_BY[name]
    return packages() - whole(forbidden) - {package_of(source) for source in sources} - ALLOWED[name]


def forbidding() -> list[Contract]:
    """The contracts that forbid a package of ours, and not only libraries or single modules."""
    contracts = (contract for contract in CONTRACTS if contract["type"] == "forbidden")
    return [contract for contract in contracts if whole(contract["forbidden_modules"])]


def folders() -> dict[str, Path]:
    """All packages that hold more than one module, by their names in imports."""
    found = {
        ".".join([top, *path.parent.relative_to(root).parts]): path.parent
        for top, root in PACKAGES.items()
        for path in root.rglob("__init__.py")
    }
    return {name: path for name, path in found.items() if len(list(path.glob("*.py"))) > 2 or path in PACKAGES.values()}


def test_every_package_has_the_order_of_its_modules_in_a_contract_that_names_them_all() -> None:
    layered = (contract for contract in CONTRACTS if contract["type"] == "layers" and contract.get("exhaustive"))
    ordered = {container for contract in layered for container in contract["containers"]}
    assert folders().keys() - ordered - INDEPENDENT == set()


def test_packages_without_an_order_have_modules_that_do_not_know_each_other() -> None:
    independent = {
        module for contract in CONTRACTS if contract["type"] == "independence" for module in contract["modules"]
    }
    assert {f"{package}.*" for package in INDEPENDENT} == independent


@pytest.mark.parametrize("contract", forbidding(), ids=lambda contract: contract["name"])
def test_a_contract_that_forbids_packages_says_of_every_package_whether_it_is_among_them(contract: Contract) -> None:
    assert left_out(contract) == set(), "forbid them in pyproject.toml, or name them as allowed here"


@pytest.mark.parametrize("contract", forbidding(), ids=lambda contract: contract["name"])
def test_what_is_allowed_here_is_not_forbidden_there(contract: Contract) -> None:
    name = contract["name"]
    side = "source_modules" if name in KNOWN_BY else "forbidden_modules"
    assert {**KNOWN_BY, **ALLOWED}[name] & whole(contract[side]) == set()


def test_the_tables_name_contracts_and_packages_that_there_are() -> None:
    tables = {**ALLOWED, **KNOWN_BY}
    assert tables.keys() == {contract["name"] for contract in forbidding()}
    assert set().union(*tables.values()) <= packages()


def test_a_package_that_a_contract_forgets_is_noticed() -> None:
    contract = {
        "name": "the model imports nothing of ours",
        "source_modules": ["mcptasks.model"],
        "forbidden_modules": sorted(packages() - {"mcptasks.model", "mcptasks.worker"}),
    }
    assert left_out(contract) == {"mcptasks.worker"}
