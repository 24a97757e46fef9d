"""What a report looks like: in a terminal, as a page, as JSON, as Markdown."""
