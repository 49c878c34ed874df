"""The composition root: the only place that names concrete classes, and the process that runs them."""
