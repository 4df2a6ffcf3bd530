"""The McpTaskTemplates of a release."""

from __future__ import annotations

import json

from mcptasks.model.base import JsonObject
from tests.chart.helm import CHART, refusal, render
from tests.chart.parts import runner, template


class TestTaskTemplates:
    def test_are_ordinary_objects_where_the_kind_is_known(self) -> None:
        found = render().find("McpTaskTemplate", "default")
        assert "annotations" not in found["metadata"]

    def test_are_rendered_once_and_without_hooks_for_others_than_helm_to_apply(self) -> None:
        """Hooks are Helm's to run. How Helm itself installs is seen in `cluster/test_release.py`."""
        everything = render(known=False).all("McpTaskTemplate")
        assert [made["metadata"]["name"] for made in everything] == ["default", "warm"]
        for made in everything:
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

    def test_null_takes_away_at_any_place_and_depth(self) -> None:
        default: JsonObject = {
            "timeoutSeconds": 60,
            "disruptionPolicy": "Fail",
            "nodeSelector": {"disk": "ssd", "zone": "a"},
            "podLabels": {"team": "a"},
            "podSecurityContext": {"runAsUser": 1000, "fsGroup": 2000},
            "securityContext": {"capabilities": {"add": ["SYS_TIME"], "drop": ["ALL"]}},
            "retention": {"completedSeconds": 60, "failedSeconds": 60},
            "env": [{"name": "A", "value": "1"}],
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {"a": []}},
            "extraPodSpec": {"dnsConfig": {"options": [], "searches": ["x"]}},
        }
        own: JsonObject = {
            "enabled": None,
            "startDeadlineSeconds": None,
            "timeoutSeconds": None,
            "disruptionPolicy": None,
            "terminationGracePeriodSeconds": None,
            "nodeSelector": {"disk": None},
            "podLabels": None,
            "podSecurityContext": {"runAsUser": None},
            "securityContext": {"capabilities": {"add": None}},
            "retention": {"failedSeconds": None},
            "env": None,
            "tolerations": None,
            "affinity": {"nodeAffinity": None},
            "resources": None,
            "extraPodSpec": {"dnsConfig": {"options": None}},
        }
        rendered = render({"taskTemplates": {"default": default, "gpu": own}})
        made, pod = template(rendered, "gpu"), template(rendered, "gpu")["podTemplate"]["spec"]
        assert not {"startDeadlineSeconds", "timeoutSeconds", "disruptionPolicy"} & made.keys()
        assert made["retention"] == {"completedSeconds": 60}
        assert "metadata" not in made["podTemplate"]
        assert not {"terminationGracePeriodSeconds", "tolerations", "affinity"} & pod.keys()
        assert (pod["nodeSelector"], pod["securityContext"]) == ({"zone": "a"}, {"fsGroup": 2000})
        assert pod["dnsConfig"] == {"searches": ["x"]}
        made_runner = runner(rendered, "gpu")
        assert made_runner["securityContext"] == {"capabilities": {"drop": ["ALL"]}}
        assert [entry["name"] for entry in made_runner["env"]] == ["MCPTASKS_GATEWAY_URL"]
        assert made_runner["resources"] == {}

    def test_null_is_in_none_of_them(self) -> None:
        """The API server takes a limit of null for one of 0."""
        own: JsonObject = {
            "resources": {"limits": {"cpu": None}},
            "securityContext": {"seLinuxOptions": {"level": None}},
            "podAnnotations": {"mesh": None},
        }
        for name in ("default", "gpu", "warm"):
            made = template(render({"taskTemplates": {name: own}}), name)
            assert "null" not in json.dumps(made)
        pool: JsonObject = {"executor": "Warm", "warm": {"maxWorkers": 3, "idleSeconds": None, "concurrency": None}}
        assert template(render({"taskTemplates": {"quick": pool}}), "quick")["warm"] == {"maxWorkers": 3}

    def test_an_executor_of_null_is_that_of_the_crd(self) -> None:
        default: JsonObject = {"executor": "Warm", "warm": {"minWorkers": 2}}
        made = template(render({"taskTemplates": {"default": default, "heavy": {"executor": None}}}), "heavy")
        assert (made["executor"], "warm" in made) == ("Job", False)

    def test_a_user_of_null_is_refused_where_it_would_not_last(self) -> None:
        nobody: JsonObject = {"podSecurityContext": {"runAsUser": None}}
        told = refusal({"taskTemplates": {"gpu": nobody}})
        assert "taskTemplates.gpu.podSecurityContext.runAsUser is null" in told
        assert "set taskTemplates.gpu.userId to Platform" in told
        rendered = render({"taskTemplates": {"gpu": nobody | {"userId": "Platform"}}})
        assert template(rendered, "gpu")["userId"] == "Platform"
        assert "securityContext" not in template(rendered, "gpu")["podTemplate"]["spec"]
        assert template(render({"userId": "Platform", "taskTemplates": {"gpu": nobody}}), "gpu")["userId"] == "Platform"

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
        assert [item["metadata"]["name"] for item in rendered.all("McpTaskTemplate")] == ["gpu", "warm"]
        assert template(rendered, "gpu")["timeoutSeconds"] == 2592000

    def test_lead_to_the_gateway_of_the_release(self) -> None:
        environ = {entry["name"]: entry["value"] for entry in runner(render(release="tools", namespace="a"))["env"]}
        assert environ == {"MCPTASKS_GATEWAY_URL": "http://tools-mcptasks-gateway.a.svc:8001"}

    def test_can_name_another_gateway(self) -> None:
        own = {"name": "MCPTASKS_GATEWAY_URL", "value": "http://proxy:80"}
        assert runner(render({"taskTemplates": {"default": {"env": [own]}}}))["env"] == [own]


class TestTemplatesWithWorkers:
    def test_one_is_there_that_costs_nothing_while_nobody_calls(self) -> None:
        made = template(render(), "warm")
        assert made["executor"] == "Warm"
        assert made["warm"] == {"maxWorkers": 10, "minWorkers": 0, "tasksPerWorker": 0}
        assert template(render())["executor"] == "Job"

    def test_it_can_be_left_out(self) -> None:
        rendered = render({"taskTemplates": {"warm": {"enabled": False}}})
        assert [item["metadata"]["name"] for item in rendered.all("McpTaskTemplate")] == ["default"]

    def test_workers_know_the_module_before_any_task_says_it(self) -> None:
        environ = {entry["name"]: entry["value"] for entry in runner(render(), "warm")["env"]}
        assert environ["MCPTASKS_MODULE"] == "mcptasks.examples.stdlib_report"
        inline = render({"server": {"inlineModule": "app = 1"}})
        environ = {entry["name"]: entry["value"] for entry in runner(inline, "warm")["env"]}
        assert environ["MCPTASKS_MODULE"] == "/etc/mcptasks/module/server.py"

    def test_another_inline_module_has_other_workers(self) -> None:
        def checksum(module: str) -> str:
            made = template(render({"server": {"inlineModule": module}}), "warm")
            return str(made["podTemplate"]["metadata"]["annotations"]["checksum/module"])

        assert checksum("app = 1") != checksum("app = 2")

    def test_a_queue_of_default_is_not_theirs(self) -> None:
        rendered = render({"taskTemplates": {"default": {"queueName": "batch"}}})
        assert "queueName" not in template(rendered, "warm")
        assert template(rendered)["queueName"] == "batch"

    def test_workers_of_default_are_not_those_of_a_template_with_jobs(self) -> None:
        default = {"executor": "Warm", "warm": {"minWorkers": 2}}
        rendered = render({"taskTemplates": {"default": default, "heavy": {"executor": "Job"}}})
        assert "warm" not in template(rendered, "heavy")
        assert template(rendered)["warm"] == {"minWorkers": 2}
