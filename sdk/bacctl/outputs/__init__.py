"""What an analysis leaves behind: masks, overlays, the JSON document and the table of rows."""
