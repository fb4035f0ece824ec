"""`python -m tests.short_timeouts …`: the service, with short time-outs at its start."""

from service.__main__ import main
from service.backends import embedded
from service.store import startup

startup._START_S = embedded._LOCK_S = 2.0

if __name__ == "__main__":
    main()
