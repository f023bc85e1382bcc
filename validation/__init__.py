"""What must hold of each corpus."""
