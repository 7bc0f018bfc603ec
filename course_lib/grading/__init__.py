"""Hand out, collect, grade: nbgrader's release of a notebook, and the autograding of what comes back."""
