"""Transformers trained on a bigram task: associative memories that are known in closed form."""
