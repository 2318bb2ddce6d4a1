"""What a reader sees: figures and pages."""
