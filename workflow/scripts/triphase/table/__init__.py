"""The tidy table of a study, and the draws that belong to its rows."""
