"""Our stages as classes of other frameworks."""
