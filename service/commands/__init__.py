"""The commands: `adopt`, `export`, `import`, `recount`, `repartition` and `upgrade`.

`common` has what they share: they open a store, retry while it is unavailable, show a progress bar
and print a summary. Every command may be interrupted and run again.
"""
