"""The web page of an export: `page` holds its files, `write` writes it."""
