"""The program that makes a built-in model from nothing, to be read in the order of the work.

    licenses     what may be learnt from
    corpus       the files, and a manifest of them
    tokenizer    StarCoder2's, out of a GGUF
    examples     fill-in-the-middle, as token ids
    model        the architecture
    training     the loop
    evaluate     what it is worth
    export       a GGUF

`python -m stardraft_quant.train --help` is the way in. Only `model` and `training` import torch, and they are
imported by the commands that need them.
"""
