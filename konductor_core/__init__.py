"""Coordination for Kubernetes Jobs and Pods over Redis."""

__version__ = "0.1.0"
