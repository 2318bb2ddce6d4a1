"""Checkpoints of language models: found, downloaded, verified and loaded."""
