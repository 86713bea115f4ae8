"""A search for better params: what is searched, which trial comes next, when one is stopped."""
