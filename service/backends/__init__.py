"""A URL becomes a Redis that answers: one server, a cluster, Sentinel's, or our own."""
