"""What a model is taught: one file a task, named as the task."""
