"""Connections to Redis: one server, a cluster, a Sentinel's master, or a private server."""
