"""The manifests in packaging/kubernetes: their structure, what they refer to, and settings that the command accepts."""

import re
import shutil
import subprocess

import pytest
import yaml

from conftest import ROOT
from doors import PATIENCE, clean_environment

FOLDER = ROOT / "packaging" / "kubernetes"
USER = 65532
NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"

# What an object of each kind must have, and the fields of its spec that are there on purpose: a misspelt one is found.
VERSIONS = {
    "ConfigMap": "v1",
    "Secret": "v1",
    "Service": "v1",
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}
SPECS = {
    "Service": {"type", "selector", "ports", "clusterIP", "publishNotReadyAddresses"},
    "Deployment": {"replicas", "revisionHistoryLimit", "selector", "strategy", "template"},
    "Job": {"backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished", "template"},
    "PodDisruptionBudget": {"maxUnavailable", "unhealthyPodEvictionPolicy", "selector"},
    "NetworkPolicy": {"podSelector", "policyTypes", "ingress", "egress"},
}
NEEDED = {
    "Service": {"selector", "ports"},
    "Deployment": {"replicas", "selector", "strategy", "template"},
    "Job": {"backoffLimit", "activeDeadlineSeconds", "template"},
    "PodDisruptionBudget": {"maxUnavailable", "selector"},
    "NetworkPolicy": {"podSelector", "policyTypes", "ingress", "egress"},
}
POD = {
    "automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds", "securityContext", "restartPolicy",
    "topologySpreadConstraints", "containers", "volumes",
}
CONTAINER = {
    "name", "image", "imagePullPolicy", "args", "env", "envFrom", "ports", "startupProbe", "livenessProbe", "readinessProbe",
    "lifecycle", "resources", "securityContext", "volumeMounts",
}


class Strict(yaml.SafeLoader):
    """Refuses a key that appears twice."""

    def construct_mapping(self, node, deep=False):
        names = [self.construct_object(key) for key, _ in node.value]
        assert len(names) == len(set(names)), f"{node.start_mark}: {names}"
        return super().construct_mapping(node, deep)


def read(name):
    return list(yaml.load_all((FOLDER / name).read_text(), Strict))


OBJECTS = [found for path in sorted(FOLDER.glob("*.yaml")) if path.name != "kustomization.yaml" for found in read(path.name)]
IDS = [f"{found['kind']}-{found['metadata']['name']}" for found in OBJECTS]


def of_kind(kind):
    return [found for found in OBJECTS if found["kind"] == kind]


def names(kind):
    return {found["metadata"]["name"] for found in of_kind(kind)}


def pods():
    """Labels and spec of the pods of each Deployment and Job."""
    for found in of_kind("Deployment") + of_kind("Job"):
        template = found["spec"]["template"]
        yield template["metadata"]["labels"], template["spec"]


@pytest.mark.parametrize("found", OBJECTS, ids=IDS)
def test_an_object_has_what_its_kind_needs_and_nothing_unknown(found):
    kind = found["kind"]
    assert found["apiVersion"] == VERSIONS[kind]
    metadata = found["metadata"]
    assert metadata["namespace"] == "sealgate"
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", metadata["name"])
    body = {"ConfigMap": {"data"}, "Secret": {"type", "stringData"}}.get(kind, {"spec"})
    assert set(found) == {"apiVersion", "kind", "metadata"} | body
    if kind in SPECS:
        assert NEEDED[kind] <= set(found["spec"]) <= SPECS[kind]
    if kind in ("ConfigMap", "Secret"):
        values = found.get("data", found.get("stringData"))
        # Kubernetes refuses numbers and booleans there.
        assert all(isinstance(value, str) for value in values.values())


def test_the_kustomization_lists_every_manifest_but_the_secret_and_the_job():
    (listed,) = read("kustomization.yaml")
    every = {path.name for path in FOLDER.iterdir()}
    assert set(listed["resources"]) == every - {"kustomization.yaml", "secret.example.yaml", "migrate-job.yaml"}
    (image,) = listed["images"]
    (job,) = of_kind("Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{image['newName']}:{image['newTag']}"
    (deployment,) = of_kind("Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == image["name"]
    cargo = (ROOT / "Cargo.toml").read_text()
    assert f'\nversion = "{image["newTag"]}"\n' in cargo


def test_pods_run_without_privileges():
    for _, pod in pods():
        assert {"securityContext", "containers", "volumes"} <= set(pod) <= POD
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert {context["runAsUser"], context["runAsGroup"], context["fsGroup"]} == {USER}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert set(container) <= CONTAINER
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "privileged": False,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_secrets_are_files_that_only_the_pods_group_can_read():
    for _, pod in pods():
        for volume in pod["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440
        for container in pod["containers"]:
            assert not any("valueFrom" in variable for variable in container.get("env", []))
            assert not any("secretRef" in source for source in container.get("envFrom", []))


def test_what_is_referred_to_exists():
    secrets = {found["metadata"]["name"]: set(found["stringData"]) for found in of_kind("Secret")}
    maps = {found["metadata"]["name"]: set(found["data"]) for found in of_kind("ConfigMap")}
    for _, pod in pods():
        folders = {}
        for volume in pod["volumes"]:
            if "secret" in volume:
                folders[volume["name"]] = secrets[volume["secret"]["secretName"]]
            elif "configMap" in volume:
                folders[volume["name"]] = maps[volume["configMap"]["name"]]
            else:
                assert "emptyDir" in volume
        for container in pod["containers"]:
            mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
            assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
            assert all(mounts[name]["readOnly"] for name in folders)
            files = {f"{mounts[name]['mountPath']}/{file}" for name, inside in folders.items() for file in inside}
            for path in re.findall(r"/etc/sealgate/[\w./-]+", " ".join(environment(container).values())):
                assert path in files


def environment(container):
    """The variables of a container."""
    variables = {}
    for source in container.get("envFrom", []):
        (found,) = (found for found in of_kind("ConfigMap") if found["metadata"]["name"] == source["configMapRef"]["name"])
        variables.update(found["data"])
    variables.update({variable["name"]: variable["value"] for variable in container.get("env", [])})
    return variables


def matches(selector, labels):
    return selector.items() <= labels.items()


def test_selectors_find_the_servers_and_only_them():
    (deployment,) = of_kind("Deployment")
    servers = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [deployment["spec"]["selector"]["matchLabels"]]
    selectors += [found["spec"]["selector"] for found in of_kind("Service")]
    selectors += [found["spec"]["selector"]["matchLabels"] for found in of_kind("PodDisruptionBudget")]
    for labels, _ in pods():
        for selector in selectors:
            assert matches(selector, labels) == (labels == servers)
        # The policy covers the job, too, which needs DNS and the database.
        (policy,) = of_kind("NetworkPolicy")
        assert matches(policy["spec"]["podSelector"]["matchLabels"], labels)
    assert servers[NAME] == "sealgate" and servers[COMPONENT] == "server"


def test_ports_have_names_that_services_probes_and_policies_use():
    (deployment,) = of_kind("Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    settings = environment(container)
    for name, setting in [("http", "SEALGATE_LISTEN"), ("metrics", "SEALGATE_METRICS_LISTEN")]:
        assert settings[setting] == f"0.0.0.0:{ports[name]}"
    used = [port["targetPort"] for found in of_kind("Service") for port in found["spec"]["ports"]]
    (policy,) = of_kind("NetworkPolicy")
    used += [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    used += [probe["port"] for probe in probes.values()]
    assert set(used) == set(ports)
    assert probes["livenessProbe"]["path"] == probes["startupProbe"]["path"] == "/healthz"
    assert probes["readinessProbe"]["path"] == "/readyz"


def test_a_pod_has_time_to_stop_and_one_goes_at_a_time():
    (deployment,) = of_kind("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = int(environment(container).get("SEALGATE_GRACE", 10))
    assert pod["terminationGracePeriodSeconds"] > waits + grace + 5
    (budget,) = of_kind("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] < deployment["spec"]["replicas"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_command_accepts_the_settings(binary, tmp_path):
    """`config --check` knows every name and value; the files that they name are moved to a folder of the test's."""
    for index, (_, pod) in enumerate(pods()):
        (container,) = pod["containers"]
        folder = tmp_path / str(index)
        (folder / "etc/sealgate/secrets").mkdir(parents=True)
        (folder / "etc/sealgate/db").mkdir()
        (folder / "var/lib/sealgate").mkdir(parents=True)
        for name, text in [("store-password", "replace-this"), ("ring-key", f"hex:{'5a' * 32}")]:
            path = folder / "etc/sealgate/secrets" / name
            path.write_text(text)
            path.chmod(0o440)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder / "etc/sealgate/db/ca.pem")
        moved = {name: re.sub(r"(?<![\w.])/(?=etc/|var/)", f"{folder}/", value) for name, value in environment(container).items()}
        assert str(folder) in moved["SEALGATE_DATA_DIR"]
        checked = subprocess.run([binary, "config", "--check"], env=clean_environment(folder, moved), capture_output=True, text=True,
                                 timeout=PATIENCE, cwd=folder)
        assert checked.returncode == 0, checked.stderr
        assert "unknown" not in checked.stderr.lower(), checked.stderr
        wrong = {**moved, "SEALGATE_STORE": "postgres://sealgate@db/x?sslmode=none"}
        refused = subprocess.run([binary, "config", "--check"], env=clean_environment(folder, wrong), capture_output=True, text=True,
                                 timeout=PATIENCE, cwd=folder)
        assert refused.returncode == 2


def test_the_pods_commands_exist(binary):
    for _, pod in pods():
        (container,) = pod["containers"]
        shown = subprocess.run([binary, *container["args"], "--help"], capture_output=True, text=True, timeout=PATIENCE)
        assert shown.returncode == 0, shown.stderr
