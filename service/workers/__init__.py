"""Serves with several processes on one port.

`worker` is a process that serves; `master` starts and watches the workers. Both extend gunicorn's.
`supervisor` is one more process, for the trial mode: it runs the private server from before the
first worker starts until after the last one has ended.
"""
