"""How `koncli exec` runs a command under a lease: the keeper, the guardian between it and the command, their words."""
