"""How fast an installation is, measured beside the bare network and beside other checkouts of itself.

`bacctl.bench.run.run` measures, `bacctl.bench.figures` has the records, `bacctl.bench.tables` the Markdown.
Nothing here is imported by the rest of the package but by its command.
"""
