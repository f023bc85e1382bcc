"""What is kept and what is rejected, and why."""
