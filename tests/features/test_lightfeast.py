from __future__ import annotations

import subprocess
import sys


def test_feast_comes_without_torch_and_leaves_the_world_as_it_was() -> None:
    code = (
        "import sys, typeguard\n"
        "checked = typeguard.typechecked\n"
        "from colisten.features.lightfeast import FeatureStore\n"
        "assert 'torch' not in sys.modules\n"
        "assert typeguard.typechecked is checked\n"
        "import torch\n"
        "assert torch.ones(1).item() == 1\n"
        "assert FeatureStore.__module__.startswith('feast')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
