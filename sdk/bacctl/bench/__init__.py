"""How fast an installation is, measured beside the bare network and beside other checkouts of itself.

`bacctl.bench.run.run` measures, `bacctl.bench.figures` has the records, `bacctl.bench.tables` the Markdown.
Of the rest of the package only its command and what plans a fleet (`bacctl.archive`) import this.
"""
