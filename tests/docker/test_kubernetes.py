"""The Kubernetes manifests: names that meet, probes that ask the models, and what the schemas say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

KUBERNETES = Path(__file__).resolve().parents[2] / "docker" / "kubernetes"
FOLDERS = ["base", "cpu", "kserve"]


def manifests(folder: str) -> list[dict[str, Any]]:
    """Read the resources that a Kustomization names."""
    names = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())["resources"]
    return [yaml.safe_load((KUBERNETES / folder / name).read_text()) for name in names]


def built(folder: Path) -> list[dict[str, Any]]:
    tool = shutil.which("kubectl")
    if tool is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([tool, "kustomize", folder], capture_output=True, text=True)
    if "unknown command" in done.stderr:
        pytest.skip("this kubectl has no kustomize")
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def of_kind(resources: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [resource for resource in resources if resource["kind"] == kind]
    return found


def pod_specs() -> list[dict[str, Any]]:
    deployment = of_kind(manifests("base"), "Deployment")
    service = of_kind(manifests("kserve"), "InferenceService")
    return [deployment["spec"]["template"]["spec"], service["spec"]["predictor"]]


@pytest.fixture(params=[0, 1], ids=["deployment", "kserve"])
def pod(request: pytest.FixtureRequest) -> dict[str, Any]:
    return pod_specs()[request.param]


def test_every_file_is_named() -> None:
    for folder in (*FOLDERS, "shared-engines", "archive", "keda"):
        kustomization = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())
        named = {*kustomization["resources"], *kustomization.get("configurations", [])}
        there = {path.name for path in (KUBERNETES / folder).glob("*.yaml")} - {"kustomization.yaml"}
        assert named - {"../base"} == there


def test_selectors_meet_the_pods() -> None:
    resources = manifests("base")
    spec = of_kind(resources, "Deployment")["spec"]
    labels = spec["template"]["metadata"]["labels"].items()
    for selector in (
        spec["selector"]["matchLabels"],
        of_kind(resources, "Service")["spec"]["selector"],
        of_kind(resources, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind(resources, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels
    target = of_kind(resources, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (
        "Deployment",
        of_kind(resources, "Deployment")["metadata"]["name"],
    )


def test_ports_meet_those_of_the_container() -> None:
    resources = manifests("base")
    (container,) = of_kind(resources, "Deployment")["spec"]["template"]["spec"]["containers"]
    names = {port["name"] for port in container["ports"]}
    service = of_kind(resources, "Service")["spec"]
    policy = of_kind(resources, "NetworkPolicy")["spec"]
    assert {port["targetPort"] for port in service["ports"]} == names
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == names
    assert service["clusterIP"] == "None"
    assert policy["egress"] == []


def test_kserve_lets_in_whom_the_deployment_lets_in() -> None:
    service = of_kind(manifests("kserve"), "InferenceService")["metadata"]["name"]
    base, kserve = (of_kind(manifests(folder), "NetworkPolicy")["spec"] for folder in ("base", "kserve"))
    assert kserve["podSelector"] == {"matchLabels": {"serving.kserve.io/inferenceservice": service}}
    assert [rule["from"] for rule in kserve["ingress"]] == [rule["from"] for rule in base["ingress"]]
    assert [rule["ports"] for rule in kserve["ingress"]] == [[{"port": 8001}], [{"port": 8002}]]
    assert kserve["egress"] == []
    assert of_kind(manifests("base"), "Namespace") == of_kind(manifests("kserve"), "Namespace")


def test_autoscaler_and_adapter_name_the_same_metric() -> None:
    (metric,) = of_kind(manifests("base"), "HorizontalPodAutoscaler")["spec"]["metrics"]
    (rule,) = yaml.safe_load((KUBERNETES / "metrics-adapter.yaml").read_text())["rules"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]


def test_probes_ask_the_models(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[name]
        *command, timeout = probe["exec"]["command"]
        assert command == ["python3", "/opt/bacctl/healthcheck.py"]
        # Our own line about a server that is too slow comes before Kubernetes cuts the probe off.
        assert int(timeout.removeprefix("--timeout=")) < probe["timeoutSeconds"] <= probe["periodSeconds"]


def test_pods_are_confined(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_shared_memory_is_memory_and_counts(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert set(mounts) == {"/dev/shm", "/tmp", "/engines"}
    assert mounts["/dev/shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    resources = container["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"


def test_both_ways_to_run_a_pod_are_the_same() -> None:
    deployment, kserve = (spec["containers"][0] for spec in pod_specs())
    for part in ("image", "env", "resources", "securityContext", "volumeMounts"):
        assert deployment[part] == kserve[part], part
    for part in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert deployment[part] == kserve[part], part
    deployment, kserve = pod_specs()
    for part in ("volumes", "tolerations", "securityContext", "terminationGracePeriodSeconds"):
        assert deployment[part] == kserve[part], part


def test_cpu_overlay() -> None:
    pod = of_kind(built(KUBERNETES / "cpu"), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].startswith("bacctl-cpu:")
    assert "nvidia.com/gpu" not in str(pod)
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/dev/shm", "/tmp"}
    assert {volume["name"] for volume in pod["volumes"]} == {"shm", "tmp"}
    assert "args" not in container


def test_engines_may_be_shared(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    own = tmp_path / "kubernetes" / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text("resources: [../base]\ncomponents: [../shared-engines]\n")
    resources = built(own)
    volumes = of_kind(resources, "Deployment")["spec"]["template"]["spec"]["volumes"]
    claim = of_kind(resources, "PersistentVolumeClaim")["metadata"]["name"]
    assert {"name": "engines", "persistentVolumeClaim": {"claimName": claim}} in volumes


def test_keda_takes_the_place_of_the_autoscaler() -> None:
    kinds = [resource["kind"] for resource in built(KUBERNETES / "keda")]
    assert kinds.count("ScaledObject") == 1
    assert "HorizontalPodAutoscaler" not in kinds
    assert sorted(kinds) == sorted(
        {"ScaledObject", *(resource["kind"] for resource in built(KUBERNETES / "base"))}
        - {"HorizontalPodAutoscaler"}
    )


@pytest.mark.parametrize("folder", [*FOLDERS, "archive", "keda"])
def test_schemas(folder: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for resource in built(KUBERNETES / folder):
        if resource["kind"] == "ScaledObject":
            continue  # KEDA's own
        if resource["kind"] == "InferenceService":
            # KServe's own kind has no schema there; its predictor is a pod with more fields.
            spec = {k: v for k, v in resource["spec"]["predictor"].items() if k != "minReplicas"}
            resource = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
        validator.validate(resource, "1.33", strict=True)
