"""What a study will cost and download, before it starts."""
