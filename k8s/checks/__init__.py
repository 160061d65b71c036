"""What Kubernetes would take and colisten could not live with, found in rendered manifests.

    kubectl kustomize k8s/overlays/production | python -m k8s.checks

A schema knows fields. It does not know that a probe asks a path that is answered, that a policy
lets out what the configuration connects to, or that a limit holds what is loaded: that is read
here off the code that runs.
"""
