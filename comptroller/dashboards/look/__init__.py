"""How the console looks: markup that cannot be broken out of, style, words, and figures as the viewer writes them."""
