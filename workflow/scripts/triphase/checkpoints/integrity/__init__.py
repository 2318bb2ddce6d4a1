"""Whether a series of published checkpoints is what its names say: fingerprints, absolute rules and their verdicts.

Only weights and files decide, never loss, accuracy or alignment: what a study looks for must not be able to remove a
checkpoint from it.
"""
