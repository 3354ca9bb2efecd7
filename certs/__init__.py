"""The life of the serving certificate: made, judged, stored, published, swapped. Knows nothing of udplb."""
