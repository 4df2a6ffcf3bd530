"""What the values do, beside those of a subject of their own."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mcptasks.model.base import JsonObject
from tests.chart.helm import CHART, ROOT, container, environment, notes, refusal, render
from tests.chart.parts import operator, server, template


def manifests(name: str) -> list[JsonObject]:
    return [item for item in yaml.safe_load_all((ROOT / "deploy" / f"{name}.yaml").read_text()) if item]


class TestAgreesWithTheManifests:
    """`deploy/` and the chart are two ways to the same installation."""

    @pytest.mark.parametrize("component", ["server", "operator"])
    def test_pods(self, component: str) -> None:
        ours = render({"image": {"tag": "dev"}}).find("Deployment", f"mcptasks-{component}")
        theirs = next(item for item in manifests(component) if item["kind"] == "Deployment")
        assert ours["spec"]["replicas"] == theirs["spec"]["replicas"]
        for key in ("serviceAccountName", "enableServiceLinks", "securityContext"):
            assert ours["spec"]["template"]["spec"][key] == theirs["spec"]["template"]["spec"][key]
        for key in ("image", "args", "ports", "livenessProbe", "readinessProbe", "resources", "securityContext"):
            assert container(ours)[key] == container(theirs)[key]
        configured = {"MCPTASKS_MODULE"}
        for name, value in environment(theirs).items():
            assert environment(ours)[name] == value or name in configured

    def test_services(self) -> None:
        rendered = render()
        for item in manifests("server"):
            if item["kind"] == "Service":
                ours = rendered.find("Service", item["metadata"]["name"])["spec"]["ports"][0]
                assert {key: ours[key] for key in item["spec"]["ports"][0]} == item["spec"]["ports"][0]

    def test_rights(self) -> None:
        def rights(objects: list[JsonObject], account: str) -> set[tuple[str, str, str]]:
            bound = {
                item["roleRef"]["name"]
                for item in objects
                if item["kind"].endswith("RoleBinding") and item["subjects"][0]["name"] == account
            }
            roles = [item for item in objects if item["kind"] in ("Role", "ClusterRole")]
            rules = [rule for item in roles if item["metadata"]["name"] in bound for rule in item["rules"]]
            return {
                (group, resource, verb)
                for rule in rules
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
            }

        ours, theirs = list(render().objects), manifests("rbac")
        for account in ("mcptasks-server", "mcptasks-operator"):
            assert rights(theirs, account)
            assert rights(ours, account) == rights(theirs, account)

    def test_template(self) -> None:
        ours, theirs = template(render({"image": {"tag": "dev"}})), manifests("template")[0]["spec"]
        assert ours["startDeadlineSeconds"] == theirs["startDeadlineSeconds"]
        assert ours["timeoutSeconds"] == theirs["timeoutSeconds"]
        our_pod, their_pod = ours["podTemplate"]["spec"], theirs["podTemplate"]["spec"]
        assert our_pod["serviceAccountName"] == their_pod["serviceAccountName"]
        assert our_pod["containers"][0] | their_pod["containers"][0] == our_pod["containers"][0]


class TestCrds:
    def test_are_kept_on_uninstall(self) -> None:
        crds = render().all("CustomResourceDefinition")
        assert len(crds) == 2
        assert all(item["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for item in crds)

    def test_go_on_uninstall_where_that_is_asked_for(self) -> None:
        crds = render({"crds": {"keep": False}}).all("CustomResourceDefinition")
        assert crds
        assert all("annotations" not in item["metadata"] for item in crds)

    def test_can_be_left_to_somebody_else(self) -> None:
        assert render({"crds": {"install": False}}).all("CustomResourceDefinition") == []


class TestRedis:
    def test_is_not_there_by_default(self) -> None:
        assert "MCPTASKS_REDIS_URL" not in environment(server(render()))

    def test_url_is_from_the_existing_secret(self) -> None:
        rendered = render({"externalRedis": {"existingSecret": "mine", "existingSecretKey": "url"}})
        entry = next(one for one in container(server(rendered))["env"] if one["name"] == "MCPTASKS_REDIS_URL")
        assert entry["valueFrom"] == {"secretKeyRef": {"name": "mine", "key": "url"}}
        assert rendered.all("Secret") == []

    def test_url_of_the_values_is_in_a_secret_only(self) -> None:
        rendered = render({"externalRedis": {"url": "redis://:secret@host:6379/0"}})
        assert rendered.find("Secret", "mcptasks-redis")["stringData"] == {"redis-url": "redis://:secret@host:6379/0"}
        entry = next(one for one in container(server(rendered))["env"] if one["name"] == "MCPTASKS_REDIS_URL")
        assert entry["valueFrom"] == {"secretKeyRef": {"name": "mcptasks-redis", "key": "redis-url"}}

    def test_bundled_one_has_the_password_of_the_secret(self) -> None:
        rendered = render({"redis": {"enabled": True, "existingSecret": "mine"}})
        names = [one["name"] for one in container(server(rendered))["env"]]
        # A variable can only be used by those after it.
        assert names.index("REDIS_PASSWORD") < names.index("MCPTASKS_REDIS_URL")
        assert environment(server(rendered))["MCPTASKS_REDIS_URL"] == "redis://:$(REDIS_PASSWORD)@mcptasks-redis:6379/0"
        assert "--requirepass" in container(rendered.find("Deployment", "mcptasks-redis"))["args"]

    def test_is_where_server_and_operator_keep_logs(self) -> None:
        rendered = render({"externalRedis": {"existingSecret": "mine"}})
        for item in (server(rendered), rendered.find("Deployment", "mcptasks-operator")):
            assert "MCPTASKS_REDIS_URL" in [one["name"] for one in container(item)["env"]]

    def test_is_unknown_to_an_operator_that_keeps_no_logs(self) -> None:
        rendered = render({"redis": {"enabled": True}, "settings": {"MAX_LOG_BYTES": 0}})
        names = [one["name"] for one in container(rendered.find("Deployment", "mcptasks-operator"))["env"]]
        assert "MCPTASKS_REDIS_URL" not in names
        assert environment(server(rendered))["MCPTASKS_MAX_LOG_BYTES"] == "0"

    @pytest.mark.parametrize(("limit", "peers"), [(1000, ["server", "operator"]), (0, ["server"])])
    def test_lets_the_operator_in_where_it_keeps_logs(self, limit: int, peers: list[str]) -> None:
        rendered = render({"redis": {"enabled": True}, "settings": {"MAX_LOG_BYTES": limit}})
        allowed = rendered.find("NetworkPolicy", "mcptasks-redis")["spec"]["ingress"][0]["from"]
        assert [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in allowed] == peers

    def test_only_one_can_be_used(self) -> None:
        message = refusal({"redis": {"enabled": True}, "externalRedis": {"existingSecret": "mine"}})
        assert "use one of them" in message


class TestRequestState:
    def test_replicas_make_their_own_keys_by_default(self) -> None:
        assert "MCPTASKS_REQUEST_STATE_KEYS" not in environment(server(render()))

    def test_keys_are_from_the_existing_secret(self) -> None:
        rendered = render({"server": {"requestState": {"existingSecret": "mine", "existingSecretKey": "keys"}}})
        variables = {one["name"]: one for one in container(server(rendered))["env"]}
        source = {"secretKeyRef": {"name": "mine", "key": "keys"}}
        assert variables["MCPTASKS_REQUEST_STATE_KEYS"]["valueFrom"] == source
        assert rendered.all("Secret") == []


class TestNamespaces:
    def test_all_need_cluster_scope(self) -> None:
        assert "needs rbac.scope=cluster" in refusal({"watchNamespaces": ["*"]})

    def test_all_are_watched_with_cluster_roles(self) -> None:
        rendered = render({"watchNamespaces": ["*"], "rbac": {"scope": "cluster"}})
        assert environment(operator(rendered))["MCPTASKS_WATCH_NAMESPACES"] == "*"
        jobs = [item for item in rendered.all("ClusterRole", "operator") if "jobs" in str(item["rules"])]
        assert len(jobs) == 1
        assert "jobs" not in str(rendered.all("Role", "operator"))

    def test_some_get_a_role_each_and_the_own_one_is_always_watched(self) -> None:
        rendered = render({"watchNamespaces": ["team-a", "team-b"]})
        assert environment(operator(rendered))["MCPTASKS_WATCH_NAMESPACES"] == "mcptasks,team-a,team-b"
        for component, right in (("operator", "jobs"), ("server", "mcptasks/status")):
            roles = [item for item in rendered.all("Role", component) if right in str(item["rules"])]
            assert sorted(item["metadata"]["namespace"] for item in roles) == ["mcptasks", "team-a", "team-b"]
        bindings = [*rendered.all("RoleBinding", "operator"), *rendered.all("RoleBinding", "server")]
        assert {item["subjects"][0]["namespace"] for item in bindings} == {"mcptasks"}

    def test_server_never_gets_to_make_jobs(self) -> None:
        for values in ({}, {"watchNamespaces": ["*"], "rbac": {"scope": "cluster"}}):
            rendered = render(values)
            roles = [*rendered.all("Role", "server"), *rendered.all("ClusterRole", "server")]
            assert "jobs" not in str([item["rules"] for item in roles])

    def test_override_moves_everything(self) -> None:
        rendered = render({"namespaceOverride": "platform"})
        assert {item["metadata"].get("namespace", "platform") for item in rendered.objects} == {"platform"}


class TestAsADependency:
    def test_values_of_the_parent_do_no_harm(self) -> None:
        assert render({"enabled": True, "global": {"ofAnotherChart": {"a": 1}}}).all("Deployment")

    def test_pull_secrets_may_be_names_or_objects(self) -> None:
        rendered = render({"global": {"imagePullSecrets": ["a", {"name": "b"}]}})
        assert server(rendered)["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]


class TestHelmTest:
    def pods(self, values: JsonObject) -> set[str]:
        return {item["metadata"]["name"].removeprefix("mcptasks-test-") for item in render(values).all("Pod")}

    def test_sample_is_called_and_cancelled(self) -> None:
        assert self.pods({}) == {"health", "completes", "cancelled"}

    def test_every_script_is_beside_those_that_import_it(self) -> None:
        scripts = {path.name: path.read_text() for path in (CHART / "files" / "tests").glob("*.py")}
        assert render({}).find("ConfigMap", "mcptasks-test")["data"] == scripts

    def test_own_server_is_called_where_its_tools_are_named(self) -> None:
        module: dict[str, Any] = {"server": {"module": "/app/server.py"}}
        assert self.pods(module) == {"health"}
        assert self.pods(module | {"tests": {"completes": {"tool": "x"}}}) == {"health", "completes"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"server": {"replica": 3}}, "additional properties 'replica' not allowed"),
            ({"servers": {}}, "additional properties 'servers' not allowed"),
            ({"server": {"replicas": "3"}}, "/server/replicas"),
            ({"image": {"pullPolicy": "Sometimes"}}, "'Always', 'IfNotPresent', 'Never'"),
            ({"settings": {"MAX_TTL_SECONDS": 0}}, "minimum: got 0, want 1"),
            ({"settings": {"WORKERS": 3}}, "additional properties 'WORKERS' not allowed"),
            ({"metrics": {"port": 8000}}, "/metrics/port"),
            ({"settings": {"MAX_TTL": 1}}, "additional properties 'MAX_TTL' not allowed"),
            ({"server": {"podAnnotations": {"a": True}}}, "/server/podAnnotations/a"),
            ({"taskTemplates": {"warm": {"executor": "Hot"}}}, "value must be one of 'Job', 'Warm'"),
            ({"taskTemplates": {"warm": {"queueName": "q"}}}, "queueName is for templates with executor: Job"),
            ({"taskTemplates": {"warm": {"warm": {"minWorkers": 11}}}}, "minWorkers must not be above warm.maxWorkers"),
            ({"taskTemplates": {"a": {"warm": {"minWorkers": 1}}}}, "warm is for templates with executor: Warm"),
            ({"taskTemplates": {"a": {"executor": "Warm", "warm": {"concurrency": 2}}}}, "tasksPerWorker"),
            ({"taskTemplates": {"gpu": {"timeout": 1}}}, "additional properties 'timeout' not allowed"),
            ({"watchNamespaces": ["Team_A"]}, "/watchNamespaces/0"),
        ],
    )
    def test_wrong_values_are_named(self, values: JsonObject, message: str) -> None:
        assert message in refusal(values)


class TestNotes:
    def test_tell_the_next_steps(self) -> None:
        said = notes()
        assert "kubectl --namespace n port-forward service/mcptasks 8000:8000" in said
        assert "claude mcp add --transport http mcptasks http://127.0.0.1:8000/mcp" in said
        assert "kubectl --namespace n get mcptasks --watch" in said

    def test_warn(self) -> None:
        assert "no authentication" in notes()
        assert "all namespaces" not in notes()
        assert "all namespaces" in notes("--set=watchNamespaces={*}", "--set=rbac.scope=cluster")
        assert "Redis is for trials" in notes("--set=redis.enabled=true")


class TestWhatCanMatchNothing:
    """Hosts and origins that no request has, and images that no registry has, are refused before they are installed."""

    HOSTS = (
        "a.*.example.com",
        "*.*.example.com",
        "***.example.com",
        "https://mcp.example.com",
        "mcp.example.com/mcp",
        "mcp.example.com:443",
    )

    @pytest.mark.parametrize("host", HOSTS)
    def test_hosts_of_routes(self, host: str) -> None:
        assert "does not match pattern" in refusal({"ingress": {"enabled": True, "hosts": [host]}})
        route = {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": [host]}
        assert "does not match pattern" in refusal({"httpRoute": route})

    @pytest.mark.parametrize("host", HOSTS[:-1])
    def test_allowed_hosts(self, host: str) -> None:
        assert "does not match pattern" in refusal({"server": {"allowedHosts": [host]}})

    @pytest.mark.parametrize("origin", ["chat.example.com", "//chat.example.com", "*.example.com"])
    def test_allowed_origins(self, origin: str) -> None:
        assert "does not match pattern" in refusal({"server": {"allowedOrigins": [origin]}})

    @pytest.mark.parametrize("repository", ["registry.example.com/mcptasks:1.2", "mcptasks@sha256:abc", "mcp tasks"])
    def test_repositories_of_images(self, repository: str) -> None:
        assert "does not match pattern" in refusal({"image": {"repository": repository}})

    @pytest.mark.parametrize(
        "registry", ["https://registry.example.com", "registry.example.com/", "a b", "me@registry"]
    )
    def test_registries_of_images(self, registry: str) -> None:
        assert "does not match pattern" in refusal({"image": {"registry": registry}})
        assert "does not match pattern" in refusal({"global": {"imageRegistry": registry}})

    def test_others_are_taken(self) -> None:
        hosts = [
            "mcp.example.com",
            "*.example.com",
            "**.example.com",
            "MCP.example.com.",
            "mcp.example.com:8443",
            "[::1]:8000",
            "::1",
            "*",
        ]
        origins = [
            "https://chat.example.com",
            "https://*.example.com/",
            "http://localhost:*",
            "app://.",
            "file://",
            "null",
            "*",
        ]
        render(
            {
                "image": {"repository": "registry.example.com:5000/team/mcptasks"},
                "global": {"imageRegistry": "mirror.example.com:5000/docker.io"},
                "redis": {"enabled": True, "image": {"registry": "registry.example.com:5000"}},
                "server": {"allowedHosts": hosts, "allowedOrigins": origins},
                "ingress": {"enabled": True, "hosts": ["mcp.example.com", "*.example.com"]},
            }
        )
