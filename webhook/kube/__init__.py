"""What is known of the cluster: lists and watches in threads, immutable snapshots for the reviews."""
