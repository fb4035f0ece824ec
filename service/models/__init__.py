"""What goes over the wire: requests and responses.

`requests` describes the requests, `decoding` reads them from a body or a query, `incoming` turns
bodies into reports, and `selections` turns queries into selections. `responses` and
`insight_responses` turn records into answers.

Nothing here does I/O.
"""
