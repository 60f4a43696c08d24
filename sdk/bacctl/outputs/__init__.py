"""What an analysis leaves behind: masks, the JSON document, the table of rows, and the names of files."""
