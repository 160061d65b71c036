"""An API server that knows TrainJobs and their pods, with a controller that runs them for real.

No Kubernetes can be had here. This one listens on loopback, takes what the facts of the resource
allow, and starts the command of each TrainJob as processes of this machine, with what the torch
runtime of Kubeflow Trainer puts into the environment; volumes are folders of this machine, at the
paths that they are mounted at.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from colisten.json_files import parse_json, to_json
from colisten.variables import POD, POD_NAMESPACE, POD_UID, TRAIN_JOB
from tests.pipelines.crds import faults

ROOT = Path(__file__).parents[2]
_JOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/here/trainjobs"
_PODS = "/api/v1/namespaces/here/pods"


class Cluster:
    """TrainJobs by name, their pods, and what was asked.

    Attributes:
        jobs: As they are now.
        asked: Method and path of every request, in order.
        broken: Requests that are still to be answered by an error of the server.
        deleted: Names of jobs that were deleted.
        runs: Whether jobs that are made are run.
    """

    def __init__(self, logs: Path) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.broken = 0
        self.deleted: list[str] = []
        self.runs = True
        self.lock = threading.Lock()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs = logs

    def create(self, job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if wrong := faults(job):
            return 422, {"message": "; ".join(wrong)}
        name = job["metadata"]["name"]
        if name in self.jobs:
            return 409, {"message": f"{name} exists"}
        self.jobs[name] = job
        if self.runs:
            self._start(name, job["spec"]["trainer"])
        return 201, job

    def delete(self, name: str) -> tuple[int, dict[str, Any]]:
        if self.jobs.pop(name, None) is None:
            return 404, {"message": f"{name} not found"}
        self.deleted.append(name)
        if (process := self.running.pop(name, None)) is not None and process.poll() is None:
            process.terminate()
        return 200, {}

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def say(self, name: str, state: str, reason: str = "", message: str = "") -> None:
        """Give a job a condition."""
        said = {"type": state, "status": "True", "reason": reason, "message": message}
        self.jobs[name]["status"] = {"conditions": [said]}

    def pods(self, selector: str) -> list[dict[str, Any]]:
        name = selector.partition("=")[2]
        process = self.running.get(name)
        if process is None:
            return []
        code = process.poll()
        phase = "Running" if code is None else "Failed" if code else "Succeeded"
        return [
            {
                "metadata": {"name": f"{name}-node-0-0-abcde"},
                "status": {"phase": phase},
                "spec": {"containers": []},
            }
        ]

    def _start(self, name: str, trainer: dict[str, Any]) -> None:
        values = {each["name"]: each["value"] for each in trainer["env"] if "value" in each}
        torch = {
            "PET_NNODES": "1",
            "PET_NPROC_PER_NODE": str(trainer["numProcPerNode"]),
            "PET_NODE_RANK": "0",
            "PET_MASTER_ADDR": "127.0.0.1",
            "PET_MASTER_PORT": str(free_port()),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        of_step = {TRAIN_JOB, POD, POD_UID, POD_NAMESPACE}
        around = {name: value for name, value in os.environ.items() if name not in of_step}
        with self.log(name).open("wb") as log:
            process = subprocess.Popen(
                [*trainer["command"], *trainer["args"]],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**around, **values, **torch, "PYTHONPATH": str(ROOT)},
            )
        self.running[name] = process
        threading.Thread(target=self._watch, args=(name, process), daemon=True).start()

    def _watch(self, name: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self.lock:
            if self.running.get(name) is not process:
                return
            if code:
                self.say(name, "Failed", "JobsFailed", f"jobset failed, exit code {code}")
            else:
                self.say(name, "Complete", "JobsCompleted", "jobset completed")


class Api(BaseHTTPRequestHandler):
    """The few paths that are asked."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        cluster: Cluster = self.server.cluster  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length") or 0)
        body: Any = parse_json(self.rfile.read(length).decode()) if length else None
        parts = urlsplit(self.path)
        cluster.asked.append((method, parts.path))
        if parts.path.startswith(_PODS) and parts.path.endswith("/log"):
            return self._follow(cluster, parts.path.split("/")[-2])
        with cluster.lock:
            if cluster.broken:
                cluster.broken -= 1
                return self._send(503, {"message": "the server is being upgraded"})
            if parts.path == _PODS:
                found = cluster.pods(parse_qs(parts.query)["labelSelector"][0])
                return self._send(200, {"kind": "PodList", "apiVersion": "v1", "items": found})
            if parts.path == _JOBS and method == "POST":
                return self._send(*cluster.create(body))
            name = parts.path.removeprefix(f"{_JOBS}/")
            if method == "DELETE":
                return self._send(*cluster.delete(name))
            if name not in cluster.jobs:
                return self._send(404, {"message": f"{parts.path} not found"})
            if method == "PATCH":
                if self.headers["Content-Type"] != "application/merge-patch+json":
                    return self._send(415, {"message": "merge patches, please"})
                cluster.jobs[name]["metadata"] |= body["metadata"]
            return self._send(200, cluster.jobs[name])

    def _follow(self, cluster: Cluster, pod: str) -> None:
        """Every line with its moment, until the pod has ended."""
        name = pod.removesuffix("-node-0-0-abcde")
        process = cluster.running.get(name)
        if process is None:
            self._send(404, {"message": f"{pod} not found"})
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        rest = b""
        with cluster.log(name).open("rb") as log:
            while True:
                ended = process.poll() is not None
                *lines, rest = (rest + log.read()).split(b"\n")
                for line in lines:
                    moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
                    self._chunk(f"{moment} ".encode() + line + b"\n")
                if ended:
                    break
                time.sleep(0.05)
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _send(self, code: int, document: dict[str, Any]) -> None:
        data = to_json(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Cluster, Path]]:
    """A cluster, and the kubeconfig by which it is reached."""
    cluster = Cluster(Path(tempfile.mkdtemp(dir=folder)))
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.cluster, server.daemon_threads = cluster, True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    file = folder / "kubeconfig"
    address = f"http://127.0.0.1:{server.server_port}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": address}}],
        "users": [{"name": "here", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
    }
    file.write_text(to_json(document))
    try:
        yield cluster, file
    finally:
        for process in cluster.running.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        server.shutdown()
        server.server_close()
        thread.join()
