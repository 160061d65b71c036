"""The image every step runs in on a cluster: colisten with its `pipelines` extra, nothing else."""

IMAGE = "colisten/python-pipelines:0.1.0"
