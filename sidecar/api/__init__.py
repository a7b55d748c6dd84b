"""The local HTTP API of the keeper, for programs without koncli or the library."""
