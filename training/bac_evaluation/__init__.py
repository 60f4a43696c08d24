"""Evaluation on data of known truth: whole images through the pipeline that serves."""
