"""Admission: what a pod's annotations turn into, and the HTTPS server that the API server asks."""
