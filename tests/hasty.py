"""`python -m tests.hasty …`: the service, which at its start waits less for what isn't there."""

from service.__main__ import main
from service.backends import embedded
from service.store import startup

startup._START_S = embedded._LOCK_S = 2.0

if __name__ == "__main__":
    main()
