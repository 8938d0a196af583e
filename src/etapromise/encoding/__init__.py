"""A shipment as the numbers that features, statistics and kernels work with."""
