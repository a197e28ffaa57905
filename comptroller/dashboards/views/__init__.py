"""The pages: one file each, named as in `map.PAGES`, with a function `page`."""
