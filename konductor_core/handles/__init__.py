"""The public handles of objects, sync and async: thin, over the verbs."""
