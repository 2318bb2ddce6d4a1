"""Figures of a study: one style, one function per figure, tables and fitted phases in, matplotlib figures out."""
