"""The emotion-balanced Reddit corpus."""
