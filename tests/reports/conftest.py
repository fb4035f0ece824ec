"""The store behind the service is one Redis; tests of the store itself name the kinds they want."""

from tests.http.conftest import backend

__all__ = ["backend"]
