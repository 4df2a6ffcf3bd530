"""What the values do."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest
import yaml

from mcptasks.model.base import JsonObject
from mcptasks.server.allowed_sources import AllowedSources
from mcptasks.settings import Settings
from tests.chart.helm import CHART, ROOT, Rendered, container, environment, notes, refusal, render

DIGEST = "sha256:" + "0" * 63 + "1"


def server(rendered: Rendered) -> JsonObject:
    return rendered.find("Deployment", "mcptasks-server")


def operator(rendered: Rendered) -> JsonObject:
    return rendered.find("Deployment", "mcptasks-operator")


def template(rendered: Rendered, name: str = "default") -> JsonObject:
    spec: JsonObject = rendered.find("McpTaskTemplate", name)["spec"]
    return spec


def runner(rendered: Rendered, name: str = "default") -> JsonObject:
    first: JsonObject = template(rendered, name)["podTemplate"]["spec"]["containers"][0]
    return first


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
                if item["kind"].endswith("Binding") and item["subjects"][0]["name"] == account
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


class TestTaskTemplates:
    def test_are_ordinary_objects_where_the_kind_is_known(self) -> None:
        found = render().find("McpTaskTemplate", "default")
        assert "annotations" not in found["metadata"]

    def test_are_rendered_once_and_without_hooks_for_others_than_helm_to_apply(self) -> None:
        """Hooks are Helm's to run. How Helm itself installs is seen in `cluster/test_release.py`."""
        (made,) = render(known=False).all("McpTaskTemplate")
        assert not [key for key in made["metadata"]["annotations"] if key.startswith("helm.sh/")]
        assert made["spec"]["podTemplate"]["spec"]["containers"]
        # Argo CD looks all kinds up before it applies the CRDs.
        wanted = made["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
        assert wanted == "SkipDryRunOnMissingResource=true"

    def test_every_object_is_rendered_once(self) -> None:
        for known in (True, False):
            keys = [
                (item["apiVersion"], item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
                for item in render(files=[CHART / "ci" / "production-values.yaml"], known=known).objects
            ]
            assert len(keys) == len(set(keys))

    def test_take_what_they_do_not_say_from_default_key_by_key(self) -> None:
        default = {"nodeSelector": {"disk": "ssd"}, "resources": {"limits": {"cpu": 2}}}
        gpu = {
            "resources": {"limits": {"nvidia.com/gpu": 1}, "requests": {"memory": "8Gi"}},
            "nodeSelector": {"gpu": "a"},
        }
        rendered = render({"taskTemplates": {"default": default, "gpu": gpu}})
        assert runner(rendered, "gpu")["resources"] == {
            "limits": {"cpu": 2, "memory": "512Mi", "nvidia.com/gpu": 1},
            "requests": {"cpu": "50m", "memory": "8Gi"},
        }
        assert template(rendered, "gpu")["podTemplate"]["spec"]["nodeSelector"] == {"disk": "ssd", "gpu": "a"}
        assert runner(rendered, "gpu")["image"] == runner(rendered)["image"]
        assert template(rendered, "gpu")["timeoutSeconds"] == 3600

    def test_take_away_with_null_what_default_says(self) -> None:
        gpu = {"resources": {"limits": {"memory": None}, "requests": None}}
        rendered = render({"taskTemplates": {"default": {"resources": {"limits": {"cpu": 2}}}, "gpu": gpu}})
        assert runner(rendered, "gpu")["resources"] == {"limits": {"cpu": 2}}

    def test_take_lists_and_what_is_false_or_empty_as_they_say(self) -> None:
        default = {"env": [{"name": "A", "value": "1"}], "priorityClassName": "high", "timeoutSeconds": 60}
        small = {"env": [{"name": "B", "value": "2"}], "priorityClassName": "", "terminationGracePeriodSeconds": 0}
        rendered = render({"taskTemplates": {"default": default, "small": small}})
        assert [entry["name"] for entry in runner(rendered, "small")["env"]] == ["MCPTASKS_GATEWAY_URL", "B"]
        spec = template(rendered, "small")["podTemplate"]["spec"]
        assert "priorityClassName" not in spec
        assert spec["terminationGracePeriodSeconds"] == 0
        assert template(rendered, "small")["timeoutSeconds"] == 60

    def test_of_another_name_are_made_without_default(self) -> None:
        rendered = render({"taskTemplates": {"default": {"enabled": False}, "gpu": {"timeoutSeconds": 2592000}}})
        assert [item["metadata"]["name"] for item in rendered.all("McpTaskTemplate")] == ["gpu"]
        assert template(rendered, "gpu")["timeoutSeconds"] == 2592000

    def test_lead_to_the_gateway_of_the_release(self) -> None:
        environ = {entry["name"]: entry["value"] for entry in runner(render(release="tools", namespace="a"))["env"]}
        assert environ == {"MCPTASKS_GATEWAY_URL": "http://tools-mcptasks-gateway.a.svc:8001"}

    def test_can_name_another_gateway(self) -> None:
        own = {"name": "MCPTASKS_GATEWAY_URL", "value": "http://proxy:80"}
        assert runner(render({"taskTemplates": {"default": {"env": [own]}}}))["env"] == [own]


class TestImages:
    def test_have_the_versions_tag(self) -> None:
        rendered = render()
        assert container(server(rendered))["image"] == "mcptasks:0.1.0"
        assert container(operator(rendered))["image"] == "mcptasks:0.1.0"
        assert runner(rendered)["image"] == "mcptasks:0.1.0"

    def test_are_from_the_mirror_and_by_digest(self) -> None:
        rendered = render(
            {
                "global": {"imageRegistry": "mirror.example.com", "imagePullSecrets": ["one"]},
                "image": {"digest": DIGEST},
                "redis": {"enabled": True},
            }
        )
        assert container(server(rendered))["image"] == f"mirror.example.com/mcptasks@{DIGEST}"
        redis = container(rendered.find("Deployment", "mcptasks-redis"))["image"]
        assert redis.startswith("mirror.example.com/redis:")
        pods = [*rendered.pods(), template(rendered)["podTemplate"]["spec"]]
        assert all(pod["imagePullSecrets"] == [{"name": "one"}] for pod in pods)

    def test_of_server_and_task_pods_are_the_users(self) -> None:
        rendered = render({"server": {"image": {"repository": "team/reports", "tag": "7"}, "module": "/app/server.py"}})
        assert container(server(rendered))["image"] == "team/reports:7"
        assert runner(rendered)["image"] == "team/reports:7"
        assert environment(operator(rendered))["MCPTASKS_RUNNER_IMAGE"] == "team/reports:7"
        assert container(operator(rendered))["image"] == "mcptasks:0.1.0"
        assert environment(server(rendered))["MCPTASKS_MODULE"] == "/app/server.py"

    def test_of_a_user_need_a_version(self) -> None:
        assert "set server.image.tag or server.image.digest" in refusal({"server": {"image": {"repository": "x"}}})

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ({"image": {"tag": "latest"}}, 'image.tag: the tag "latest" names whatever was built last'),
            ({"image": {"tag": "main"}}, 'image.tag: the tag "main"'),
            ({"image": {"tag": "Nightly"}}, 'image.tag: the tag "Nightly"'),
            ({"server": {"image": {"repository": "x", "tag": "edge"}}}, 'server.image.tag: the tag "edge"'),
            ({"server": {"image": {"tag": "main"}}}, 'server.image.tag: the tag "main"'),
            ({"redis": {"enabled": True, "image": {"tag": "latest"}}}, 'redis.image.tag: the tag "latest"'),
            ({"taskTemplates": {"gpu": {"image": "host:5000/x:main"}}}, 'taskTemplates.gpu.image: the tag "main"'),
            ({"taskTemplates": {"default": {"image": "host:5000/x"}}}, "taskTemplates.default.image"),
        ],
    )
    def test_whose_tags_float_are_refused_with_the_way_out(self, values: JsonObject, says: str) -> None:
        told = refusal(values)
        assert says in told
        assert "digest" in told or "add one" in told

    def test_that_have_a_digest_may_have_any_tag(self) -> None:
        rendered = render({"image": {"tag": "main", "digest": DIGEST}})
        assert container(operator(rendered))["image"] == f"mcptasks@{DIGEST}"
        assert (
            runner(render({"taskTemplates": {"default": {"image": f"host/x@{DIGEST}"}}}))["image"] == f"host/x@{DIGEST}"
        )

    def test_whose_tags_only_begin_like_one_that_floats_are_taken(self) -> None:
        assert container(operator(render({"image": {"tag": "main-4f2c"}})))["image"] == "mcptasks:main-4f2c"


class TestInlineModule:
    SOURCE = 'from mcptasks import TaskServer\n\nmcp = TaskServer("{{ name }}")\n'

    def test_is_at_the_same_path_in_the_server_and_in_the_tasks(self) -> None:
        rendered = render({"server": {"inlineModule": self.SOURCE}})
        path = environment(server(rendered))["MCPTASKS_MODULE"]
        for pod in (server(rendered)["spec"]["template"]["spec"], template(rendered)["podTemplate"]["spec"]):
            mount = next(one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "module")
            # A file: a folder's files are links to a path that is another one in every Pod.
            assert (mount["mountPath"], mount["subPath"]) == (path, "server.py")
            volume = next(one for one in pod["volumes"] if one["name"] == "module")
            assert volume["configMap"]["name"] == "mcptasks-module"

    def test_is_as_it_was_given(self) -> None:
        rendered = render({"server": {"inlineModule": self.SOURCE}})
        assert rendered.find("ConfigMap", "mcptasks-module")["data"] == {"server.py": self.SOURCE}

    def test_restarts_the_server_when_it_changes(self) -> None:
        def checksum(source: str) -> str:
            pod = server(render({"server": {"inlineModule": source}}))["spec"]["template"]
            return str(pod["metadata"]["annotations"]["checksum/module"])

        assert checksum(self.SOURCE) == checksum(self.SOURCE)
        assert checksum(self.SOURCE) != checksum(self.SOURCE + "\n# changed\n")

    def test_and_a_module_are_one_too_many(self) -> None:
        assert "set one of them" in refusal({"server": {"inlineModule": self.SOURCE, "module": "/app/server.py"}})


class TestEnvironment:
    def test_extra_variables_replace_ours(self) -> None:
        extra = [{"name": "MCPTASKS_LOG_LEVEL", "value": "DEBUG"}, {"name": "OTHER", "value": "1"}]
        found = environment(server(render({"server": {"extraEnv": extra}})))
        assert (found["MCPTASKS_LOG_LEVEL"], found["OTHER"]) == ("DEBUG", "1")

    def test_large_numbers_stay_numbers(self) -> None:
        rendered = render({"settings": {"MAX_RESULT_BYTES": 134217728, "RESYNC_SECONDS": 2.5}})
        for deployment in (server(rendered), operator(rendered)):
            assert environment(deployment)["MCPTASKS_MAX_RESULT_BYTES"] == "134217728"
            assert environment(deployment)["MCPTASKS_RESYNC_SECONDS"] == "2.5"

    def test_wildcard_hosts_are_allowed_as_the_ingress_has_them(self) -> None:
        values: JsonObject = {
            "ingress": {"enabled": True, "hosts": ["*.apps.example.com"]},
            "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["*.route.example.com"]},
        }
        hosts = environment(server(render(values)))["MCPTASKS_ALLOWED_HOSTS"]
        allowed = AllowedSources.from_settings(Settings.model_validate({"allowed_hosts": hosts}))
        for host in ("mcp.apps.example.com", "mcp.route.example.com:443", "mcptasks.mcptasks.svc:8000"):
            assert allowed.serves(host)
        assert not allowed.serves("apps.example.com")

    def test_hosts_of_the_endpoint_are_allowed(self) -> None:
        values: JsonObject = {
            "server": {"allowedHosts": ["more.example.com"]},
            "ingress": {"enabled": True, "hosts": ["mcp.example.com"]},
            "httpRoute": {"hostnames": ["not.enabled.example.com"]},
        }
        hosts = environment(server(render(values)))["MCPTASKS_ALLOWED_HOSTS"]
        assert hosts == (
            "mcptasks,mcptasks.mcptasks,mcptasks.mcptasks.svc,mcptasks.mcptasks.svc.cluster.local,"
            "mcp.example.com,more.example.com"
        )


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


class TestNetworkPolicies:
    def policy(self, values: JsonObject, name: str) -> JsonObject:
        spec: JsonObject = render(values).find("NetworkPolicy", f"mcptasks-{name}")["spec"]
        return spec

    def test_gateway_is_for_task_pods(self) -> None:
        rule = next(one for one in self.policy({}, "server")["ingress"] if one["ports"][0]["port"] == 8001)
        task, test = rule["from"]
        assert task == {"podSelector": {"matchExpressions": [{"key": "mcptasks.dev/task-uid", "operator": "Exists"}]}}
        assert test["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "test"

    def test_gateway_is_for_task_pods_of_other_namespaces_where_those_are_watched(self) -> None:
        rule = self.policy({"watchNamespaces": ["team-a"]}, "server")["ingress"][1]
        assert rule["from"][0]["namespaceSelector"] == {}

    def test_task_pods_reach_gateway_and_dns_only(self) -> None:
        policy = self.policy({}, "tasks")
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert policy["ingress"] == []
        gateway, dns = policy["egress"]
        assert gateway["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "server"
        assert [one["port"] for one in gateway["ports"]] == [8001]
        assert {one["port"] for one in dns["ports"]} == {53}

    def test_task_pods_can_be_opened(self) -> None:
        rule = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
        assert self.policy({"networkPolicy": {"tasks": {"egress": [rule]}}}, "tasks")["egress"][-1] == rule
        assert self.policy({"networkPolicy": {"tasks": {"allowAllEgress": True}}}, "tasks")["egress"] == [{}]

    def test_task_pods_of_watched_namespaces_are_bounded_where_that_is_asked_for(self) -> None:
        def bounded(**tasks: bool) -> dict[str, JsonObject]:
            rendered = render({"watchNamespaces": ["team-a"], "networkPolicy": {"tasks": tasks}})
            return {item["metadata"]["namespace"]: item["spec"] for item in rendered.all("NetworkPolicy", "task")}

        assert set(bounded()) == {"mcptasks"}
        asked = bounded(inWatchedNamespaces=True)
        assert set(asked) == {"mcptasks", "team-a"}
        gateway, away = (asked[name]["egress"][0]["to"][0] for name in ("mcptasks", "team-a"))
        assert "namespaceSelector" not in gateway
        assert away == gateway | {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "mcptasks"}},
        }
        assert asked["team-a"]["podSelector"] == asked["mcptasks"]["podSelector"]

    def test_nothing_but_scrapes_gets_in_at_the_operator(self) -> None:
        assert self.policy({}, "operator")["ingress"] == [{"ports": [{"port": 9090, "protocol": "TCP"}]}]
        assert self.policy({"metrics": {"enabled": False}}, "operator")["ingress"] == []

    @pytest.mark.parametrize("component", ["server", "operator"])
    def test_scrapes_can_be_narrowed(self, component: str) -> None:
        prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        values = {"networkPolicy": {"metrics": {"from": [prometheus]}}}
        assert self.policy(values, component)["ingress"][-1]["from"] == [prometheus]

    @pytest.mark.parametrize("component", ["server", "operator"])
    def test_leave_is_free_until_there_are_rules(self, component: str) -> None:
        free = self.policy({}, component)
        assert (free["policyTypes"], "egress" in free) == (["Ingress"], False)
        rule = {"ports": [{"port": 443, "protocol": "TCP"}]}
        bounded = self.policy({"networkPolicy": {component: {"egress": [rule]}}}, component)
        assert (bounded["policyTypes"], bounded["egress"]) == (["Ingress", "Egress"], [rule])

    def test_are_optional(self) -> None:
        assert render({"networkPolicy": {"enabled": False}}).all("NetworkPolicy") == []


class TestAvailability:
    def test_disruption_budgets_are_for_more_than_one_replica(self) -> None:
        assert len(render().all("PodDisruptionBudget")) == 2
        assert render({"server": {"replicas": 1}, "operator": {"replicas": 1}}).all("PodDisruptionBudget") == []

    def test_autoscaling_owns_the_replicas(self) -> None:
        rendered = render({"server": {"autoscaling": {"enabled": True}}})
        assert "replicas" not in server(rendered)["spec"]
        assert rendered.find("HorizontalPodAutoscaler", "mcptasks-server")["spec"]["minReplicas"] == 2

    def test_replicas_spread_over_nodes(self) -> None:
        for deployment in (server(render()), operator(render())):
            constraint = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"][0]
            assert constraint["labelSelector"] == deployment["spec"]["selector"]

    def test_drain_fits_into_the_grace_period(self) -> None:
        assert "terminationGracePeriodSeconds must be more" in refusal({"server": {"drainSeconds": 60}})

    def test_selectors_never_change_with_the_version(self) -> None:
        labels = server(render())["spec"]["selector"]["matchLabels"]
        assert set(labels) == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }


class TestPlacement:
    PLACE: ClassVar[JsonObject] = {
        "priorityClassName": "high",
        "nodeSelector": {"pool": "tools"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    }

    def test_is_chosen_for_every_pod(self) -> None:
        everywhere = dict.fromkeys(("server", "operator", "tests"), self.PLACE)
        template = {"default": self.PLACE}
        rendered = render(everywhere | {"redis": {"enabled": True, **self.PLACE}, "taskTemplates": template})
        pods = [*rendered.pods(), rendered.find("McpTaskTemplate", "default")["spec"]["podTemplate"]["spec"]]
        assert len(pods) == 7
        for pod in pods:
            assert {key: pod.get(key) for key in self.PLACE} == self.PLACE

    def test_labels_and_annotations_are_chosen_for_every_pod(self) -> None:
        own: JsonObject = {"podLabels": {"team": "a"}, "podAnnotations": {"mesh": "false"}}
        everywhere = dict.fromkeys(("server", "operator", "tests"), own)
        rendered = render(everywhere | {"redis": {"enabled": True, **own}, "taskTemplates": {"default": own}})
        templates = [item["spec"]["template"] for item in rendered.all("Deployment")]
        templates += [*rendered.all("Pod"), rendered.find("McpTaskTemplate", "default")["spec"]["podTemplate"]]
        assert len(templates) == 7
        for one in templates:
            assert one["metadata"]["labels"]["team"] == "a"
            assert one["metadata"]["annotations"]["mesh"] == "false"

    def test_hooks_of_helm_test_are_not_replaced(self) -> None:
        rendered = render({"tests": {"podAnnotations": {"helm.sh/hook": "post-install"}}})
        assert {item["metadata"]["annotations"]["helm.sh/hook"] for item in rendered.all("Pod")} == {"test"}

    def test_user_ids_can_be_left_to_the_cluster(self) -> None:
        # OpenShift gives each namespace its own range, and refuses all other ones.
        left: JsonObject = {"podSecurityContext": {"runAsUser": None, "runAsGroup": None}}
        everywhere = dict.fromkeys(("server", "operator", "tests"), left)
        contexts = [pod["securityContext"] for pod in render(everywhere | {"redis": {"enabled": True, **left}}).pods()]
        assert contexts == [{"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}] * 6

    def test_task_pods_have_sidecars_and_further_fields(self) -> None:
        sidecar = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}
        own = {"extraInitContainers": [sidecar], "extraPodSpec": {"dnsPolicy": "Default"}}
        pod = template(render({"taskTemplates": {"default": own}}))["podTemplate"]["spec"]
        assert (pod["initContainers"], pod["dnsPolicy"]) == ([sidecar], "Default")

    def test_pods_of_helm_test_have_resources_of_their_own(self) -> None:
        resources = {"requests": {"cpu": "10m"}, "limits": {"cpu": "1", "memory": "128Mi"}}
        pods = render({"tests": {"resources": resources}}).all("Pod")
        assert {str(pod["spec"]["containers"][0]["resources"]["limits"]) for pod in pods} == {str(resources["limits"])}

    @pytest.mark.parametrize("component", ["server", "operator"])
    def test_further_fields_of_a_pods_spec_can_be_set(self, component: str) -> None:
        extra = {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}], "runtimeClassName": "gvisor"}
        rendered = render({component: {"extraPodSpec": extra}})
        pod = rendered.find("Deployment", f"mcptasks-{component}")["spec"]["template"]["spec"]
        assert {key: pod[key] for key in extra} == extra

    @pytest.mark.parametrize("field", ["nodeSelector", "volumes", "terminationGracePeriodSeconds", "securityContext"])
    def test_fields_that_have_a_value_of_their_own_are_refused_with_their_names(self, field: str) -> None:
        extra: JsonObject = {"extraPodSpec": {field: {}}}
        for values in ({"server": extra}, {"operator": extra}, {"taskTemplates": {"default": extra}}):
            assert f"extraPodSpec has {field}: that field has a value of its own" in refusal(values)


class TestExposure:
    def test_objects_have_labels_of_their_own(self) -> None:
        rendered = render(
            {
                "ingress": {"enabled": True, "hosts": ["a.example.com"], "labels": {"public": "yes"}},
                "httpRoute": {
                    "enabled": True,
                    "parentRefs": [{"name": "g"}],
                    "hostnames": ["b.example.com"],
                    "labels": {"public": "yes"},
                },
            }
        )
        for kind in ("Ingress", "HTTPRoute"):
            assert rendered.find(kind, "mcptasks")["metadata"]["labels"]["public"] == "yes"

    def test_streams_have_time(self) -> None:
        rendered = render(
            {
                "ingress": {"enabled": True, "hosts": ["a.example.com"]},
                "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["b.example.com"]},
            }
        )
        annotations = rendered.find("Ingress", "mcptasks")["metadata"]["annotations"]
        assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "3600"
        rule = rendered.find("HTTPRoute", "mcptasks")["spec"]["rules"][0]
        assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}

    def test_gateway_is_never_exposed(self) -> None:
        rendered = render(
            {"server": {"service": {"type": "LoadBalancer"}}, "ingress": {"enabled": True, "hosts": ["a.example.com"]}}
        )
        assert "type" not in rendered.find("Service", "mcptasks-gateway")["spec"]
        assert "mcptasks-gateway" not in str(rendered.find("Ingress", "mcptasks"))

    def test_ingress_needs_its_hosts(self) -> None:
        assert "needs ingress.hosts" in refusal({"ingress": {"enabled": True}})


class TestMetrics:
    MONITORS: tuple[str, ...] = ("serviceMonitor", "podMonitor")

    @pytest.mark.parametrize("component", ["server", "operator"])
    def test_have_a_service_and_a_port_of_their_own(self, component: str) -> None:
        rendered = render()
        service = rendered.find("Service", f"mcptasks-{component}-metrics")["spec"]
        deployment = rendered.find("Deployment", f"mcptasks-{component}")
        assert service["selector"] == deployment["spec"]["selector"]["matchLabels"]
        assert service["ports"][0]["targetPort"] == "metrics"
        assert {"name": "metrics", "containerPort": 9090} in container(deployment)["ports"]
        assert environment(deployment)["MCPTASKS_METRICS_PORT"] == "9090"

    def test_endpoint_does_not_lead_to_them(self) -> None:
        assert [port["name"] for port in render().find("Service", "mcptasks")["spec"]["ports"]] == ["mcp"]

    def test_can_be_left_out(self) -> None:
        rendered = render({"metrics": {"enabled": False}})
        assert {item["metadata"]["name"] for item in rendered.all("Service")} == {"mcptasks", "mcptasks-gateway"}
        assert "MCPTASKS_METRICS_PORT" not in environment(server(rendered))

    @pytest.mark.parametrize(
        ("monitor", "kind", "endpoints", "target"),
        [
            ("serviceMonitor", "ServiceMonitor", "endpoints", "Service"),
            ("podMonitor", "PodMonitor", "podMetricsEndpoints", "Deployment"),
        ],
    )
    def test_monitors_find_what_they_are_for(self, monitor: str, kind: str, endpoints: str, target: str) -> None:
        rendered = render({"metrics": {monitor: {"enabled": True, "labels": {"release": "p"}, "namespace": "mon"}}})
        found = rendered.all(kind)
        assert len(found) == 2
        for item in found:
            assert item["metadata"]["namespace"] == "mon"
            assert item["metadata"]["labels"]["release"] == "p"
            assert item["spec"]["namespaceSelector"] == {"matchNames": ["mcptasks"]}
            assert item["spec"][endpoints][0]["port"] == "metrics"
            wanted = item["spec"]["selector"]["matchLabels"].items()
            owners = rendered.all(target)
            labels = [
                one["metadata"]["labels"] if target == "Service" else one["spec"]["template"]["metadata"]["labels"]
                for one in owners
            ]
            assert sum(wanted <= one.items() for one in labels) == 1

    def test_only_one_kind_of_monitor_can_be_used(self) -> None:
        both = {monitor: {"enabled": True} for monitor in self.MONITORS}
        assert "enable one of them" in refusal({"metrics": both})

    @pytest.mark.parametrize("what", ["serviceMonitor", "podMonitor", "prometheusRule"])
    def test_nothing_looks_for_metrics_that_are_not_there(self, what: str) -> None:
        assert "needs metrics.enabled" in refusal({"metrics": {"enabled": False, what: {"enabled": True}}})

    def rules(self, **values: Any) -> list[JsonObject]:
        rendered = render({"metrics": {"prometheusRule": {"enabled": True, **values}}})
        found: list[JsonObject] = rendered.find("PrometheusRule", "mcptasks")["spec"]["groups"][0]["rules"]
        return found

    def test_alerts_look_at_the_release_only(self) -> None:
        for rule in self.rules():
            assert rule["expr"].count("mcptasks_") == rule["expr"].count('namespace="mcptasks"')

    def test_alerts_lead_to_their_runbooks(self) -> None:
        titles = re.findall(r"^### (\S+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
        rules = self.rules(runbookUrl="https://x/operations.md")
        assert [rule["annotations"]["runbook_url"] for rule in rules] == [
            f"https://x/operations.md#{rule['alert'].lower()}" for rule in rules
        ]
        assert [rule["alert"] for rule in rules] == [title for title in titles if title.startswith("McpTasks")]

    def test_alerts_can_be_left_out_and_added(self) -> None:
        mine = {"alert": "Mine", "expr": "vector(1)"}
        rules = self.rules(disabled=["McpTasksTooMany"], extraRules=[mine])
        assert "McpTasksTooMany" not in [rule["alert"] for rule in rules]
        assert rules[-1] == mine

    def test_dashboard_is_found_by_grafana(self) -> None:
        rendered = render({"metrics": {"dashboard": {"enabled": True, "namespace": "grafana"}}})
        found = rendered.find("ConfigMap", "mcptasks-dashboard")["metadata"]
        assert (found["namespace"], found["labels"]["grafana_dashboard"]) == ("grafana", "1")


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
