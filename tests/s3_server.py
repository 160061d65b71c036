"""A real S3 on a free loopback port: moto's server, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "of-the-tests",
    "AWS_SECRET_ACCESS_KEY": "of-the-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def s3_server() -> Iterator[str]:
    """The URL of an empty server that keeps everything in memory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **VARIABLES},
    )
    try:
        for _ in range(600):
            assert server.poll() is None, "moto does not start"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(10)


def s3_client(url: str) -> Any:
    """A client of that server."""
    keys = {
        "aws_access_key_id": VARIABLES["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": VARIABLES["AWS_SECRET_ACCESS_KEY"],
    }
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)


def make_bucket(url: str, name: str) -> None:
    """Make a bucket there."""
    s3_client(url).create_bucket(Bucket=name)
