"""Where and how pipelines run on a Kubeflow cluster: `cluster.yaml`, read to compile them.

Not a section of the settings: nothing here shapes a result, but for threads and memory, which
follow the limits of the pods.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from colisten.errors import ConfigError
from colisten.settings.engine import Engine
from colisten.settings.section import Positive, Section
from colisten.variables import KUBEFLOW_TOKEN
from colisten.yaml_files import read_yaml

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Z]*)")
_CPU_UNITS = {"": 1.0, "m": 1e-3}
_BYTE_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{letter}i": 1 << (10 * power) for power, letter in enumerate("KMGT", start=1)
}
# Of a pod's memory that DuckDB may hold before it spills; the rest is Arrow's, torch's and
# Python's own.
DUCKDB_SHARE = 0.5
_MEGABYTE = 10**6


class Resources(Section):
    """Cores and memory."""

    cpu: str = Field(
        pattern=r"^\d+(\.\d+)?m?$", description="Cores, as Kubernetes writes them: 2, 500m."
    )
    memory: str = Field(
        pattern=r"^\d+(\.\d+)?([KMGT]i?)?$", description="Bytes likewise: 4Gi, 500M."
    )

    @property
    def cores(self) -> float:
        """Cores."""
        return _read_quantity(self.cpu, _CPU_UNITS)

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory."""
        return int(_read_quantity(self.memory, _BYTE_UNITS))


class Accelerator(Section):
    """Devices that a pod gets."""

    type: str = Field(description="Resource name of the device, such as nvidia.com/gpu.")
    count: Positive = Field(1, description="How many.")


class Toleration(Section):
    """A taint that pods stand on all the same."""

    key: str | None = Field(None, description="Of the taint; null: every one.")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="How it is matched.")
    value: str | None = Field(None, description="Of the taint, with Equal.")
    effect: Literal["NoExecute", "NoSchedule", "PreferNoSchedule"] | None = Field(
        None, description="Of the taint; null: every one."
    )


class Placed(Section):
    """What a pod gets, where it stands, and how long it may take."""

    requests: Resources = Field(
        Resources(cpu="1", memory="2Gi"), description="What the scheduler sets aside."
    )
    limits: Resources = Field(
        Resources(cpu="2", memory="4Gi"),
        description="What the pod may use at most; threads and DuckDB's memory follow it.",
    )
    accelerator: Accelerator | None = Field(None, description="Devices; null: none.")
    node_selector: dict[str, str] = Field({}, description="Labels that the node must have.")
    tolerations: tuple[Toleration, ...] = Field((), description="Taints that are no hindrance.")
    timeout_seconds: Positive = Field(
        3600, description="What takes longer is ended, and the step has failed."
    )

    def engine(self, threads: int, memory_limit: str | None) -> Engine:
        """How much of the pod a step computes with: no more than its limits, whatever is asked.

        Args:
            threads: That the settings ask for.
            memory_limit: That somebody set for DuckDB; None: a share of the pod's.
        """
        most = self.limits.memory_bytes // self.sharers
        own = f"{int(most * DUCKDB_SHARE) // _MEGABYTE}MB"
        cores = int(self.limits.cores) // self.sharers
        return Engine(threads=max(1, min(threads, cores)), memory_limit=memory_limit or own)

    @property
    def sharers(self) -> int:
        """Processes that share the limits."""
        return 1


class Pod(Placed):
    """What a step's pod gets, and how often it is tried again."""

    retries: int = Field(
        2,
        ge=0,
        le=10,
        description="Times that a failed step is tried again; steps that may not be repeated "
        "are not, whatever is said here (docs/pipeline.md names them and says why).",
    )


class TrainJob(Placed):
    """A TrainJob of Kubeflow Trainer that trains in a step's stead; resources are a node's."""

    runtime: str = Field("torch-distributed", description="Name of the training runtime.")
    runtime_kind: Literal["ClusterTrainingRuntime", "TrainingRuntime"] = Field(
        "ClusterTrainingRuntime", description="Whether it is the cluster's or the namespace's."
    )
    nodes: Positive = Field(1, description="Pods that train together.")
    processes: Positive = Field(
        1,
        description="Of each node. All share a batch: n with `hgnn.batch_size` b train as one "
        "with n times b.",
    )

    @property
    def sharers(self) -> int:
        """Processes of a node."""
        return self.processes


class StepPod(Pod):
    """What differs for one step."""

    trainjob: TrainJob | None = Field(
        None,
        description="For train_hgnn and train_towers: a TrainJob that trains, while the step's "
        "own pod submits and follows it; null: the step's pod trains, in one process.",
    )


class Volume(Section):
    """A volume that every pod sees."""

    claim: str = Field(description="Name of the PersistentVolumeClaim.")
    path: str = Field(pattern=r"^/[^\s]+$", description="Where it is mounted.")


class SecretVariables(Section):
    """Variables that are filled in from a Kubernetes Secret."""

    name: str = Field(description="Name of the Secret.")
    variables: dict[str, str] = Field(
        description="Key of the Secret -> environment variable that every pod finds it in."
    )


class Webhook(Section):
    """Who is told that a run failed."""

    secret: str = Field(description="Name of the Secret that holds the address.")
    key: str = Field("url", description="Its key: an https:// address that takes a JSON POST.")


class Server(Section):
    """The Kubeflow Pipelines API that runs are submitted to."""

    host: str = Field(
        pattern=r"^https?://[^@?#\s]+$",
        description="Its address; http:// for this machine alone, such as a port-forward.",
    )
    namespace: str = Field("kubeflow", description="Namespace that runs belong to.")
    experiment: str = Field("colisten", description="Experiment that they are listed under.")
    service_account: str | None = Field(
        None, description="Kubernetes service account of the pods; null: Kubeflow's default."
    )
    token_variable: str = Field(
        KUBEFLOW_TOKEN,
        description="Environment variable of the caller that holds a bearer token; unset: none.",
    )


class Cluster(Section):
    """Everything that a compiled pipeline needs to know of the cluster."""

    images: dict[Literal["light", "training", "monitoring"], str] = Field(
        description="Image of each target, as name@sha256:digest; `make images` writes them."
    )
    home: str = Field(
        description="What owns releases, features and reports: a folder below a volume's path, or "
        "s3://bucket/prefix."
    )
    scratch: str | None = Field(
        None,
        description="Folder that keeps unfinished trainings and text vectors across runs; null: "
        "`home` where that is a folder, else a folder of the pod, which keeps nothing.",
    )
    volumes: tuple[Volume, ...] = Field((), description="Volumes of every pod.")
    secrets: tuple[SecretVariables, ...] = Field((), description="Secrets of every pod.")
    webhook: Webhook | None = Field(None, description="Told of failed runs; null: nobody.")
    cache: bool = Field(
        True,
        description="Whether Kubeflow may take an unchanged step from an earlier run. Kubeflow 2 "
        "knows no age of an entry; false repeats all.",
    )
    serving_replicas: Positive = Field(
        1, description="Replicas of the service that reads what is published; several need Redis."
    )
    pod: Pod = Field(Pod(), description="Of every step.")
    steps: dict[str, StepPod] = Field(
        {}, description="By step, such as train_hgnn: what differs from `pod`."
    )
    kubeflow: Server | None = Field(None, description="For submit, schedule and status.")

    def pod_of(self, step: str) -> Pod:
        """What a step's pod gets: `pod`, with what `steps` says of it."""
        own = self.steps.get(step)
        if own is None:
            return self.pod
        return self.pod.model_copy(
            update={
                name: getattr(own, name) for name in own.model_fields_set & Pod.model_fields.keys()
            }
        )

    def trainjob_of(self, step: str) -> TrainJob | None:
        """The TrainJob that trains in a step's stead; None where the step itself does."""
        own = self.steps.get(step)
        return None if own is None else own.trainjob

    @property
    def scratch_folder(self) -> str:
        """Where unfinished trainings and text vectors lie."""
        if self.scratch is not None:
            return self.scratch
        return "/tmp/colisten" if self.on_object_store else f"{self.home}/cache"  # noqa: S108

    @property
    def on_object_store(self) -> bool:
        """Whether what is served lies on an object store."""
        return self.home.startswith("s3://")


def load_cluster(file: Path) -> Cluster:
    """Read `cluster.yaml`.

    Raises:
        ConfigError: It cannot be read, or says what is no setting of a cluster.
    """
    return cluster_from(read_yaml(file, "cluster", "See docs/cluster.md."), str(file))


def cluster_from(tree: Any, name: str = "cluster.yaml") -> Cluster:
    """Validate plain values; raises ConfigError as `load_cluster` does."""
    try:
        return Cluster.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ConfigError(
            f"{name}: {where} does not fit: {first['msg'].lower()}.", "See docs/cluster.md."
        ) from error


def _read_quantity(text: str, units: Mapping[str, float]) -> float:
    match = _QUANTITY.fullmatch(text)
    assert match is not None, text
    return float(match[1]) * units[match[2]]
