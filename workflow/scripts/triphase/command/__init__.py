"""The command `triphase`: a study from a folder, and thin words for what Snakemake does."""
