"""What a checkpoint is: formats, skeleton, manifest."""
