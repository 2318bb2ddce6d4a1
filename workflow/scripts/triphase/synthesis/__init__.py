"""Several finished studies as one answer: courses side by side, agreement, summaries over data sets, the verdict."""
