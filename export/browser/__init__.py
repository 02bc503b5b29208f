"""The page of an export: `page` is what a browser gets, `write` puts it there."""
