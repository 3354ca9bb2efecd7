"""Pods: which TCP ports their targets are probed on, and the sidecar that answers there."""
