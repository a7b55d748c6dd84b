"""The local runner: the manifests of a pipeline run on this machine, its containers as local processes."""
