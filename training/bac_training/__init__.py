"""Training and evaluation of the BAC segmentation network. Research use only.

Importing the package loads nothing heavy; the work is in its modules:

`bac_training.cache.build`
    turns mammograms with masks into a folder of prepared training cases,
`bac_training.train.run`
    trains the network, resumable,
`bac_evaluation.run.run`
    measures a model on a phantom data set, through the same pipeline that serves.
"""
