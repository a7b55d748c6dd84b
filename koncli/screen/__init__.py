"""The live screen of `koncli top`: what is known, how it is laid out, the terminal it is drawn on."""
