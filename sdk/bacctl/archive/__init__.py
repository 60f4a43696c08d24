"""Archives of any size: what is in them, a run over them that can be killed and resumed, what came of it."""
