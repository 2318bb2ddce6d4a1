"""A study's tables as a data set on the Hugging Face hub."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triphase.api.export import study_tables
from triphase.api.finished import Finished
from triphase.core.errors import InputError
from triphase.core.provenance import VERSION

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = """---
license: cc0-1.0
tags: [triphase, brain-alignment, training-dynamics]
configs:
{configs}
---

# Study {study}

Tables of one study by triphase {version}, as Parquet. The data set was {title} ({dataset}).

{verdicts}

`trajectories` has one row for every value of every measure. Verdicts hold for one training run each; definitions are
the workflow's own.
"""


def write_tables(study: Finished, folder: str | Path) -> list[str]:
    """Write what is pushed, a Parquet file for each table and the card, into a folder; returns the files' names."""
    folder, names = Path(folder), list[str]()
    for name, table in study_tables(study).items():
        # What a table was made from, with paths of this machine, stays here.
        bare = table.copy(deep=False)
        bare.attrs = {}
        bare.to_parquet(folder / f"{name}.parquet", index=False)
        names.append(name)
    dataset = study.description["dataset"]
    configs = "\n".join(f"- config_name: {name}\n  data_files: {name}.parquet" for name in names)
    verdicts = "\n".join(f"- {model}: {found['reason']}." for model, found in study.phases.items())
    card = CARD.format(
        configs=configs,
        study=study.folder.name,
        version=VERSION,
        title=dataset["title"],
        dataset=dataset["name"],
        verdicts=verdicts,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return ["README.md", *(f"{name}.parquet" for name in names)]


def push(study: Finished, repository: str, private: bool = True, api: HfApi | None = None) -> str:
    """Push a study's tables to a data set of the hub, which is made where there is none.

    Parameters
    ----------
    repository : such as `me/my-study`
    private : of a data set that is made
    api : what speaks to the hub; that of huggingface_hub, with the token that `hf auth login` or HF_TOKEN gave, where
        not given

    Returns
    -------
    address of the commit

    Raises
    ------
    InputError : the name is none of a repository
    """
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise InputError(f"{repository!r}: a data set of the hub is named owner/name")
    hub: Any = api or _hub()
    with tempfile.TemporaryDirectory() as folder:
        write_tables(study, folder)
        hub.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        message = f"Tables of the study {study.folder.name}"
        commit = hub.upload_folder(folder_path=folder, repo_id=repository, repo_type="dataset", commit_message=message)
    return str(commit.commit_url)


def _hub() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi()
