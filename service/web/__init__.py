"""HTTP before any endpoint: connections, authentication, admission, errors as JSON."""
