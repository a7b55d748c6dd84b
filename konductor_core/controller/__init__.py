"""The controller: spec down into Redis, status up into custom resources, and the care for what dies."""
