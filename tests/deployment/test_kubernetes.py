"""The Kubernetes manifests are valid, and say what the compose file says."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ted_jobs.settings import Settings
from tests.deployment.test_compose import COMPOSE, OURS, grace

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
RESOURCES: list[dict[str, Any]] = [
    resource for name in KUSTOMIZATION["resources"] for resource in yaml.safe_load_all((FOLDER / name).read_text())
]
DEPLOYMENTS = {one["metadata"]["name"]: one for one in RESOURCES if one["kind"] == "Deployment"}
OLDEST_SUPPORTED = "1.32"
BESIDE_SETTINGS = {"TED_HOST", "TED_ARTIFACT_ROOT"}
"""What pods need that share no disk and listen beyond themselves, and containers of one machine do not."""


def pod_of(name: str) -> dict[str, Any]:
    pod: dict[str, Any] = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return pod


def containers_of(name: str) -> list[dict[str, Any]]:
    pod = pod_of(name)
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_every_manifest_is_applied() -> None:
    files = {file.name for file in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}

    assert set(KUSTOMIZATION["resources"]) == files


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_every_resource_follows_the_schema_of_its_kind(resource: dict[str, Any]) -> None:
    kubernetes_validate.validate(resource, OLDEST_SUPPORTED, strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    (service,) = [one for one in RESOURCES if one["kind"] == "Service"]

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service | {"spce": {}}, OLDEST_SUPPORTED, strict=True)


def test_every_setting_is_one_that_ted_reads() -> None:
    (settings,) = [one["data"] for one in RESOURCES if one["kind"] == "ConfigMap"]
    known = {f"TED_{name.upper()}" for name in Settings.model_fields}

    assert set(settings) <= known
    assert {*COMPOSE["x-environment"], *BESIDE_SETTINGS} - {"PGPASSWORD", "TED_WORKERS"} == {*settings, "TED_HOST"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_runs_the_commands_of_the_compose_file_and_has_as_long_to_stop(name: str) -> None:
    main = containers_of(name)[-1]

    assert main["args"] == OURS[name]["command"]
    assert pod_of(name)["terminationGracePeriodSeconds"] == grace(name)


def test_the_database_is_migrated_before_the_sweeper_starts() -> None:
    migrate, sweeper = containers_of("sweeper")

    assert (migrate["args"], migrate["image"]) == (OURS["migrate"]["command"], sweeper["image"])


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_has_no_privileges_and_writes_to_its_own_volumes_only(name: str) -> None:
    pod = pod_of(name)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    for container in containers_of(name):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert all("emptyDir" in volumes[volume] for volume in writable)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_image_is_one_that_the_compose_file_builds(name: str) -> None:
    built = {service["image"] for service in OURS.values()}
    placed = {image["name"] for image in KUSTOMIZATION["images"]}

    assert {container["image"] for container in containers_of(name)} <= built & placed


def test_no_secret_is_written_down() -> None:
    assert not [one for one in RESOURCES if one["kind"] == "Secret"]
    assert all(
        {"secretRef": {"name": "ted"}} in container["envFrom"]
        for name in DEPLOYMENTS
        for container in containers_of(name)
    )
