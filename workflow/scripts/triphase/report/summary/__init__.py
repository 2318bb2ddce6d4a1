"""The findings of a study on one page, and its tables on another."""
