"""The description of an exported study as an RO-Crate, by the profile Workflow Run Crate.

Written by hand: it is one JSON file, and a library for it would bring a dozen others. Specifications: RO-Crate 1.1
(https://w3id.org/ro/crate/1.1), Workflow Run Crate 0.5 (https://w3id.org/ro/wfrun/workflow/0.5).
"""

from __future__ import annotations

import mimetypes
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from triphase.api.finished import Finished
from triphase.core.provenance import VERSION

CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
WORKFLOW, LANGUAGE, RUN = "Snakefile", "https://w3id.org/workflowhub/workflow-ro-crate#snakemake", "#run"
CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"
MIT = "https://spdx.org/licenses/MIT"


def crate(study: Finished, folder: Path, files: list[Path]) -> dict[str, Any]:
    """The metadata file of an exported study.

    Parameters
    ----------
    folder : the crate's root
    files : those in it; one is the workflow

    Returns
    -------
    dict, JSON-LD with one graph
    """
    # A study has ended when its tables were joined.
    ended = datetime.fromtimestamp((study.folder / "phases.json").stat().st_mtime, UTC).isoformat(timespec="seconds")
    names = [path.relative_to(folder).as_posix() for path in files]
    results, dataset = [name for name in names if name != WORKFLOW], study.description["dataset"]
    name = f"Study {study.folder.name}"
    verdicts = "; ".join(f"{model}: three phases {found['verdict']}" for model, found in study.phases.items())
    source = dataset["url"] if "://" in str(dataset["url"]) else f"#data-{dataset['name']}"
    graph: list[dict[str, Any]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": list(PROFILES)[-1]}],
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": name,
            "description": f"Language model checkpoints and brain responses of {dataset['title']}. {verdicts}.",
            "datePublished": ended,
            "license": {"@id": CC0},
            "conformsTo": [{"@id": profile} for profile in PROFILES],
            "hasPart": [{"@id": each} for each in names],
            "mainEntity": {"@id": WORKFLOW},
            "mentions": {"@id": RUN},
        },
        *(
            {"@id": profile, "@type": "CreativeWork", "name": title, "version": number}
            for profile, (title, number) in PROFILES.items()
        ),
        {
            "@id": CC0,
            "@type": "CreativeWork",
            "name": "CC0 1.0",
            "description": "On what the workflow wrote; the data set and the models have licences of their own.",
        },
        {"@id": MIT, "@type": "CreativeWork", "name": "MIT License", "description": "Of the workflow."},
        {
            "@id": WORKFLOW,
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "name": "triphase",
            "encodingFormat": "text/plain",
            "version": VERSION,
            "programmingLanguage": {"@id": LANGUAGE},
            "license": {"@id": MIT},
        },
        {
            "@id": LANGUAGE,
            "@type": "ComputerLanguage",
            "name": "Snakemake",
            "identifier": {"@id": "https://snakemake.github.io"},
            "url": {"@id": "https://snakemake.github.io"},
            "version": version("snakemake"),
        },
        {
            "@id": RUN,
            "@type": "CreateAction",
            "name": f"Run of triphase for the study {study.folder.name}",
            "description": "From brain responses and checkpoints to a verdict on three phases for each model.",
            "endTime": ended,
            "instrument": {"@id": WORKFLOW},
            "object": {"@id": source},
            "result": [{"@id": each} for each in results],
        },
        {
            "@id": source,
            "@type": "Dataset",
            "name": dataset["title"],
            "identifier": dataset["name"],
            "version": str(dataset["version"]),
            "license": str(dataset["license"]),
            "citation": str(dataset["citation"]),
        },
    ]
    return {"@context": CONTEXT, "@graph": graph + [_file(folder, each) for each in results]}


def _file(folder: Path, name: str) -> dict[str, Any]:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    size = str((folder / name).stat().st_size)
    return {"@id": name, "@type": "File", "name": Path(name).name, "encodingFormat": kind, "contentSize": size}
