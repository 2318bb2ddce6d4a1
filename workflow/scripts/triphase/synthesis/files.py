"""What a synthesis reads of a study's folder."""

FILES = {
    "definition": "definition.json",
    "phases": "phases.json",
    "trajectories": "trajectories.parquet",
    "bootstrap": "bootstrap.zarr.zip",
}
