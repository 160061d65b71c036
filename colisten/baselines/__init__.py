"""The models a platform team would try first, tuned as fairly as ours."""

from colisten.extras import needs

needs("torch", "torch_geometric", "implicit", "sklearn", "threadpoolctl")
