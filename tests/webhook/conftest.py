"""Tests of the webhook: coroutines run in an event loop of their own, as the controller's do."""

from __future__ import annotations

from tests.controller.conftest import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
