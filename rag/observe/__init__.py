"""The record of every question, and what it says: how healthy answers are, and why one came out so.

``recorder`` writes beside the answers, ``record`` reads, forgets and exports; ``health`` holds a
window of it against earlier ones, ``explain`` tells the way of one question. The pipeline opens the
record that a setting names, so that this folder lies beneath it and knows no stage.
"""
