"""The images that steps run in on a cluster, and which of them each step needs.

Three images, so that a step carries what it computes with and no more: `light` reads and writes
tables, features and releases, `training` has torch and the rivals that are fitted, `monitoring` has
Evidently. What a component names here is for trying; for a cluster `cluster.yaml` names each by
its digest.
"""

IMAGES = {
    "light": "colisten/light:0.1.0",
    "training": "colisten/training:0.1.0",
    "monitoring": "colisten/monitoring:0.1.0",
}

STEP_TARGETS = {
    "build_features": "light",
    "build_graph": "light",
    "build_training_rows": "light",
    "check_tables": "light",
    "compare": "light",
    "embed_items": "training",
    "embed_text": "training",
    "evaluate": "training",
    "gate": "light",
    "inspect_graph": "light",
    "list_trials": "light",
    "notify": "light",
    "plan_run": "light",
    "publish": "light",
    "rank": "light",
    "read_trial": "light",
    "recommend": "light",
    "report": "monitoring",
    "take_released": "light",
    "train_hgnn": "training",
    "train_towers": "training",
    "watch_drift": "monitoring",
}


def image_of(step: str) -> str:
    """The image of a step's target, for trying."""
    return IMAGES[STEP_TARGETS[step]]
