"""What a figure reads: results by name, cut down to one model where the figure is of one."""

from typing import Any

from triphase.core.artefacts import read_arrays, read_json, read_table


def read_input(path: str | list[str], model: str | None = None) -> Any:
    """One result: Parquet as a DataFrame, `.zarr.zip` as an xarray Dataset, JSON as what it holds.

    Parameters
    ----------
    path : several (one for each subject) are given back as they are, for together they may not fit into memory
    model : rows of a table and series of a Dataset that are of another model are left out; those of none are kept
    """
    if not isinstance(path, str):
        return path
    if path.endswith(".json"):
        return read_json(path)
    if path.endswith(".parquet"):
        table = read_table(path)
        if model is None or "model" not in table:
            return table
        return table[(table["model"] == model) | table["model"].isna()]
    arrays = read_arrays(path)
    if model is None or "model" not in arrays:
        return arrays
    return arrays.isel({arrays["model"].dims[0]: arrays["model"].values == model})
