"""The engine: turns text around a cursor into tokens, keeps them in the KV cache, decodes.

It runs as a process of its own (`python -m stardraftd.engine`), the only one that imports `llama_cpp`.
Importing this package, `messages` or `gguf` from elsewhere is light and loads no native code. It only sees
to it that whoever imports `llama_cpp` afterwards gets the build that this installation uses.
"""

from stardraftd.builds import chosen as engine_build

engine_build.use()
