"""What a ceiling is, by how it was measured: the name of its axis, and a sentence."""

KINDS = {
    "repeats": "noise ceiling r_max (repeats)",
    "isc": "inter-subject correlation (r)",
    "isc of region means": "inter-subject correlation of region means (r)",
}
MEANINGS = {
    "repeats": "Square root of the reliability of a single hearing, from the correlation between hearings.",
    "isc": "Correlation of each subject with the mean of all others: a reference, not an upper bound.",
    "isc of region means": "Correlation of each subject's region mean with that of the others: a reference, not an "
    "upper bound; single voxels are not comparable in native space.",
}
