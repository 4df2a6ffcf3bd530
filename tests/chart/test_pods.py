"""Pods: their images, modules, variables, places and number."""

from __future__ import annotations

from typing import ClassVar

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.server.allowed_sources import AllowedSources
from mcptasks.settings import Settings
from tests.chart.helm import container, environment, refusal, render
from tests.chart.parts import operator, runner, server, template

DIGEST = "sha256:" + "0" * 63 + "1"


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
            ({"taskTemplates": {"gpu": {"image": "acme/tools:"}}}, "taskTemplates.gpu.image"),
            ({"taskTemplates": {"gpu": {"image": "acme/tools@latest"}}}, "taskTemplates.gpu.image"),
            ({"image": {"tag": "latest-gpu"}}, 'image.tag: the tag "latest-gpu"'),
            ({"image": {"tag": "main-alpine"}}, 'image.tag: the tag "main-alpine"'),
            ({"image": {"tag": "development"}}, 'image.tag: the tag "development"'),
            ({"image": {"tag": "lts"}}, 'image.tag: the tag "lts"'),
            ({"image": {"tag": "Production"}}, 'image.tag: the tag "Production"'),
            ({"redis": {"enabled": True, "image": {"tag": "alpine"}}}, 'redis.image.tag: the tag "alpine"'),
            (
                {"taskTemplates": {"gpu": {"image": "x:nightly-cuda"}}},
                'taskTemplates.gpu.image: the tag "nightly-cuda"',
            ),
        ],
    )
    def test_whose_tags_float_are_refused_with_the_way_out(self, values: JsonObject, says: str) -> None:
        told = refusal(values)
        assert says in told
        assert "digest" in told or "add one" in told

    def test_of_the_server_with_a_tag_of_its_own_has_not_the_digest_of_the_others(self) -> None:
        rendered = render({"image": {"digest": DIGEST}, "server": {"image": {"tag": "1.2"}}})
        assert container(server(rendered))["image"] == "mcptasks:1.2"
        assert container(operator(rendered))["image"] == f"mcptasks@{DIGEST}"

    def test_that_have_a_digest_may_have_any_tag(self) -> None:
        rendered = render({"image": {"tag": "main", "digest": DIGEST}})
        assert container(operator(rendered))["image"] == f"mcptasks@{DIGEST}"
        assert (
            runner(render({"taskTemplates": {"default": {"image": f"host/x@{DIGEST}"}}}))["image"] == f"host/x@{DIGEST}"
        )

    @pytest.mark.parametrize("tag", ["main-4f2c", "nightly-20261201", "1.2-alpine", "release-7", "dev", "stable1"])
    def test_whose_tags_only_begin_like_one_that_floats_are_taken(self, tag: str) -> None:
        assert container(operator(render({"image": {"tag": tag}})))["image"] == f"mcptasks:{tag}"

    def test_may_have_a_tag_beside_the_digest(self) -> None:
        image = f"host:5000/x:latest@{DIGEST}"
        assert runner(render({"taskTemplates": {"default": {"image": image}}}))["image"] == image


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

    def test_wildcard_hosts_are_allowed_as_the_ingress_and_the_route_have_them(self) -> None:
        values: JsonObject = {
            "ingress": {"enabled": True, "hosts": ["*.apps.example.com"]},
            "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["*.route.example.com"]},
        }
        hosts = environment(server(render(values)))["MCPTASKS_ALLOWED_HOSTS"]
        allowed = AllowedSources.from_settings(Settings.model_validate({"allowed_hosts": hosts}))
        for host in ("mcp.apps.example.com", "mcp.route.example.com:443", "mcptasks.mcptasks.svc:8000"):
            assert allowed.serves(host)
        assert allowed.serves("b.a.route.example.com")
        assert not allowed.serves("b.a.apps.example.com")
        assert not allowed.serves("apps.example.com")
        assert not allowed.serves("route.example.com")

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

    def test_one_value_leaves_the_user_ids_of_all_pods_to_the_cluster(self) -> None:
        rendered = render({"userId": "Platform", "redis": {"enabled": True}})
        contexts = [pod["securityContext"] for pod in rendered.pods()]
        assert contexts == [{"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}] * 6
        assert template(rendered)["userId"] == "Platform"

    def test_a_template_chooses_its_user_id_itself(self) -> None:
        own = {"taskTemplates": {"gpu": {"userId": "Platform"}}}
        rendered = render(own)
        assert (template(rendered)["userId"], template(rendered, "gpu")["userId"]) == ("Unprivileged", "Platform")
        assert "userId" in refusal({"userId": "platform"})

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


class TestProbes:
    def test_of_the_server_have_a_port_that_nobody_else_uses(self) -> None:
        rendered = render()
        serving = container(server(rendered))
        probes = [serving[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
        assert {probe["port"] for probe in probes} == {"health"}
        assert {"name": "health", "containerPort": 8002} in serving["ports"]
        assert environment(server(rendered))["MCPTASKS_HEALTH_PORT"] == "8002"
        assert all(one["port"] != 8002 for rule in policy_ports(rendered.all("NetworkPolicy")) for one in rule)


def policy_ports(policies: list[JsonObject]) -> list[list[JsonObject]]:
    """The ports of each rule by which something may come in."""
    return [rule.get("ports", []) for policy in policies for rule in policy["spec"].get("ingress") or ()]


NO_CLUSTER_RIGHTS: JsonObject = {"crds": {"install": False}, "principalPolicy": {"enabled": False}}


@pytest.mark.parametrize("rbac", [{"create": False}, {"tokenReview": False, "aggregate": False}], ids=str)
def test_without_rights_to_the_cluster_everything_is_in_the_releases_namespace(rbac: JsonObject) -> None:
    """As docs/platform/restricted.md and docs/install.md have it."""
    objects = render(NO_CLUSTER_RIGHTS | {"rbac": rbac}).objects
    assert [item["kind"] for item in objects if "namespace" not in item["metadata"]] == []


def test_an_administrator_of_the_namespace_makes_no_role_but_that_of_helm_test() -> None:
    """As docs/platform/restricted.md has it."""
    rendered = render(NO_CLUSTER_RIGHTS | {"rbac": {"create": False}})
    assert [item["metadata"]["name"] for item in rendered.all("Role")] == ["mcptasks-test"]
    assert [item["metadata"]["name"] for item in rendered.all("RoleBinding")] == ["mcptasks-test"]
