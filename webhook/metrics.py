"""What the webhook counts, for Prometheus."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """One registry for each server, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reviews = Counter(
            "konductor_webhook_reviews",
            "Requests by path and outcome: allowed, changed, refused, malformed or failed.",
            ("path", "outcome"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "konductor_webhook_review_seconds",
            "How long a review took.",
            ("path",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.expires = Gauge(
            "konductor_webhook_certificate_expires_timestamp_seconds",
            "When the certificate in use ends.",
            registry=self.registry,
        )
