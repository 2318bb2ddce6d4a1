"""One subject's responses, cleaned run by run, as (time, voxel) on the words' clock."""

from triphase.config.jobs import CleanResponses
from triphase.config.modality import modality_of
from triphase.core.artefacts import read_json, read_table
from triphase.core.job import Job, start
from triphase.core.provenance import library_versions
from triphase.responses.electrodes import clean_recordings
from triphase.responses.subject import clean_subject
from triphase.sources.content import ensure_content, raw_content


def main(job: Job[CleanResponses]) -> None:
    """Read what the manifests name, clean it and write one array; then drop the raw files, unless they are kept."""
    paths, settings = job.paths, job.settings
    manifest, words = read_json(paths.manifest), read_table(paths.words)
    files = dict(manifest["files"])
    for path in paths.atlas:
        parcels = read_json(path)
        ensure_content(parcels, user=f"{settings.study}/atlas", execution=job.execution)
        files |= {"atlas": parcels["files"]["image"], "atlas_table": parcels["files"]["table"]}
    attributes = {key: manifest[key] for key in ("dataset", "url", "version")}
    attributes |= {
        "dataset_commit": manifest["commit"],
        "keys": {role: [file["key"] for file in entries.values()] for role, entries in files.items()},
        "versions": library_versions("nilearn", "nibabel", "h5py", "numpy"),
    }
    subject = job.wildcards.subject
    with raw_content(manifest, user=f"{settings.study}/{subject}", execution=job.execution):
        clean = clean_recordings if modality_of(settings.source).by_word else clean_subject
        clean(paths.responses, subject, files, words, settings, attributes)


if __name__ == "__main__":
    with start(snakemake, CleanResponses) as job:  # noqa: F821
        main(job)
