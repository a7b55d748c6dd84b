"""The command line of Konductor."""
