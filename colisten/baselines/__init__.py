"""The models a platform team would try first, tuned as fairly as ours."""
