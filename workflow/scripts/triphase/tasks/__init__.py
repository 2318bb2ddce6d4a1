"""Downstream tasks: what a study asks of a checkpoint, how the harness asks it, and measures made of the answers."""
