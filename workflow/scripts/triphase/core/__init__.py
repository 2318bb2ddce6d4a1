"""What every stage uses: errors, artefacts and their files, the start of a job, locks, devices, digests."""
