"""What can be done: one class per noun, methods are verbs; every door calls these."""
