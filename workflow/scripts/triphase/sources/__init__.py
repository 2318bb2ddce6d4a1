"""Files from outside: DataLad clones, downloads, and manifests of what came."""
