"""Konductor beside its peers: `make bench`, or `python -m benchmarks --help`. How to read it: docs/performance.md."""
