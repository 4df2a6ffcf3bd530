"""Writes what the chart has from elsewhere: CRDs as templates, the README from `values.yaml`, the schema of `settings`.

python charts/generate.py [--check]
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mcptasks.settings import Settings

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "mcptasks"

WITH_A_VALUE = frozenset(
    {
        "allowed_hosts",
        "allowed_origins",
        "auth_audience",
        "auth_issuer",
        "auth_jwks_url",
        "auth_required_scopes",
        "auth_resource_url",
        "auth_subject_claim",
        "cancelled_calls",
        "auth_tokens",
        "dashboard_auth",
        "dashboard_groups_header",
        "dashboard_host",
        "dashboard_key",
        "dashboard_port",
        "dashboard_server_token_file",
        "dashboard_server_url",
        "dashboard_trusted_proxies",
        "dashboard_user_header",
        "drain_seconds",
        "gateway_host",
        "gateway_port",
        "gateway_url",
        "host",
        "lease_name",
        "health_host",
        "health_port",
        "liveness_host",
        "liveness_port",
        "log_format",
        "log_level",
        "metrics_host",
        "metrics_port",
        "module",
        "namespace",
        "path",
        "port",
        "redis_url",
        "request_state_keys",
        "runner_image",
        "server_name",
        "single_user",
        "watch_namespaces",
        "workers",
    }
)
"""Settings that the chart sets from values of their own."""

NOT_IN_A_CLUSTER = frozenset(
    [
        "context",
        "kubeconfig",
        "lease_namespace",
        "token_file",
        "grace_seconds",
        "worker_host",
        "worker_port",
        "worker_tasks",
        "worker_concurrency",
    ]
)
"""Settings that the chart's roles and Pods leave no choice for."""

NOT_FREE = WITH_A_VALUE | NOT_IN_A_CLUSTER

CRD_METADATA = """\
  labels:
    {{- include "mcptasks.labels" (dict "root" .) | nindent 4 }}
  {{- if or .Values.crds.keep .Values.commonAnnotations }}
  annotations:
    {{- if .Values.crds.keep }}
    helm.sh/resource-policy: keep
    {{- end }}
    {{- with .Values.commonAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
"""

README_HEAD = """\
<!-- Generated from values.yaml by `python charts/generate.py`; change values.yaml instead. -->
# mcptasks

Runs long MCP tool calls as Kubernetes Jobs. Every task is an `McpTask` that anyone with the right can watch, cancel and
inspect with `kubectl`. Kubernetes 1.31 or newer.

```sh
helm install mcptasks charts/mcptasks --namespace mcptasks --create-namespace --wait
helm test mcptasks --namespace mcptasks
```

[docs/install.md](../../docs/install.md) has the rest: your own tools, exposure, namespaces, upgrades, uninstalling.

## Values

| Value | Default | Meaning |
|---|---|---|
"""


@dataclass(frozen=True)
class Value:
    """One documented value."""

    path: tuple[str, ...]
    default: Any
    meaning: str

    @property
    def row(self) -> str:
        default = json.dumps(self.default, ensure_ascii=False)
        cells = (f"`{'.'.join(self.path)}`", f"`{default}`", self.meaning)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def documented_values(text: str) -> Iterator[Value]:
    """The values with a comment `# -- ...` above them, in the file's order."""
    values = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    meaning: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            meaning = [stripped[5:]]
        elif stripped.startswith("#") and meaning:
            meaning.append(stripped[1:].strip())
        elif match := re.match(r"( *)([A-Za-z][A-Za-z0-9]*):", line):
            indent = len(match[1])
            path = [(at, key) for at, key in path if at < indent] + [(indent, match[2])]
            if meaning:
                keys = tuple(key for _, key in path)
                yield Value(keys, _lookup(values, keys), " ".join(meaning))
            meaning = []
        else:
            meaning = []


def _lookup(values: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        values = values[key]
    return values


def readme(text: str) -> str:
    """The chart's README for the text of `values.yaml`."""
    return README_HEAD + "".join(value.row for value in documented_values(text))


def crd_template(crd: str) -> str:
    """The CRD as a template of the chart."""
    body = crd.replace("{{", '{{ "{{" }}')
    head, name, rest = re.split(r"(?m)^(  name: .*\n)", body, maxsplit=1)
    return "{{- if .Values.crds.install }}\n" + head + name + CRD_METADATA + rest + "{{- end }}\n"


def values_schema(text: str) -> str:
    """The schema of the values, with `settings` as the program has them."""
    schema = json.loads(text)
    schema["properties"]["settings"] = {
        "type": "object",
        "additionalProperties": False,
        "description": "Names from docs/settings.md without MCPTASKS_; what has a value of its own is set there.",
        "properties": free_settings(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def free_settings() -> dict[str, Any]:
    """Schemas of the settings that have no value of their own in the chart, by variable name without the prefix."""
    fields = Settings.model_json_schema()["properties"]
    return {name.upper(): _as_value(field) for name, field in sorted(fields.items()) if name not in NOT_FREE}


def _as_value(field: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value that is written into an environment variable."""
    kept = {key: field[key] for key in ("enum", "minimum", "maximum", "exclusiveMinimum", "pattern") if key in field}
    kind = field.get("type", "string")
    kinds = [one.get("type") for one in field.get("anyOf", ()) if one.get("type") != "null"]
    kind = kinds[0] if kinds else kind
    return {"type": "string" if kind == "array" else kind, **kept, "description": field["description"]}


def generated() -> dict[Path, str]:
    """All generated files and what they have to be."""
    files = {
        CHART / "templates" / "crds" / path.name: crd_template(path.read_text())
        for path in sorted((ROOT / "crds").glob("*.yaml"))
    }
    files[CHART / "values.schema.json"] = values_schema((CHART / "values.schema.json").read_text())
    files[CHART / "README.md"] = readme((CHART / "values.yaml").read_text())
    return files


def main(arguments: list[str]) -> int:
    """Write the files, or with --check tell which ones are out of date."""
    stale = [path for path, text in generated().items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `python charts/generate.py`\n")
        else:
            path.write_text(generated()[path])
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
