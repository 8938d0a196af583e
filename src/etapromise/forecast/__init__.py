"""What will happen: quantile boosting, the forest, calibration, distributions over dates."""
