"""The requests and responses of the integration guide.

`requests` says what they look like, `reader` reads them from a body or a query, `meaning` turns
them into reports and selections, `answers` turns records into what the guide's callers get.

Nothing here does I/O.
"""
