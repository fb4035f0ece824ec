"""Several processes on one port.

`worker` is one of them, `master` keeps them: gunicorn's, with what ours need. `supervisor` is for
the trial mode: a process more, which holds the private server from before the first worker until
after the last.
"""
