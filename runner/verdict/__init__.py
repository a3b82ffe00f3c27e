"""Which arm wins, and what may be said of it: on the same rows, against the strongest untuned arm,
of one checkpoint and of the recipe, and whether it lost what it may not lose.

Pure of stages: what is given are the results of arms and the files of their scored rows.
"""
