"""The commands beside the service itself: `export`, `import`, `repartition`.

`common` is what they share: a store to work on, patience with it, a progress bar, a summary. Each
may be broken off and run again.
"""
