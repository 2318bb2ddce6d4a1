"""Encoding models: from features of words to scores per voxel, with folds, controls and resampling."""
