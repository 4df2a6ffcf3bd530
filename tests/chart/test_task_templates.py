"""The McpTaskTemplates of a release."""

from __future__ import annotations

from tests.chart.helm import CHART, render
from tests.chart.parts import runner, template


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
