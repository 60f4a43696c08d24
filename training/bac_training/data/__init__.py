"""Images and masks: lists, checks, sources, labelled real images and their folds."""
