"""Why something waits: snapshots as a graph of who waits for what, and that in plain sentences. Pure.

`world` is the graph, `deadlock` finds who can never go on, `sentences` says how each object stands, `chain` follows a
wait from one object to the next, `remedies` has the ways out, and `explanation` puts it all together.
"""
