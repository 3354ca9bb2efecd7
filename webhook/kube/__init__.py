"""What udplb knows of the cluster: the only door to the API server for the admission service."""
