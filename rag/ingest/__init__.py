"""Sources to an index: fetch, extract, chunk, and write what changed."""
