"""What is fast, and against whom: `python -m benchmarks` measures and prints, and writes docs/benchmarks.md."""
