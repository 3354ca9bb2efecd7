"""One real node (containerd, kubelet, kube-proxy, CNI) in namespaces of its own, and the images that it runs."""
