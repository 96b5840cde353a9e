"""`stardraft quant verify`: what a quantized model lost, measured against the file that it was made from.

Both predict the same tokens; what is compared is all that they say about each. `rows` chooses the tokens,
`running` gets the logits from llama.cpp, `reference_file` keeps those of the reference between the passes,
`measure` has the statistics, `verification` puts them in order; `report` and `chart` show the outcome.
"""
