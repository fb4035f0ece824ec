"""`python -m tests.older …`: a service whose schema version is 2, as far as its start goes."""

from service.store import keys

keys.SCHEMA_VERSION = 2

from service.__main__ import main  # noqa: E402  what it imports takes the version from there

if __name__ == "__main__":
    main()
