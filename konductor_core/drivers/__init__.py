"""What turns the steps of flows into Redis commands: connections, failures, the sync and the async driver."""
