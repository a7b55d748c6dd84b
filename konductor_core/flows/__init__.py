"""The protocol of every operation, as generators that yield steps; `steps` explains how they are driven."""
