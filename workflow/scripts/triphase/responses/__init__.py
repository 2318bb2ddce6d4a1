"""Brain responses: read, cleaned, cut into regions, and how much of them could be predicted."""
