"""The models of this computer: which there are to get, which are here, and how one becomes the other.

`catalogue` knows the published ones, `hub` brings files, `store` keeps them, `licenses` what was agreed to,
`pull` puts these together; `choice` says which one runs. The built-in model's file and card lie here too.
"""

# What the model that comes with stardraft is called where a model is asked for.
BUILT_IN = "built-in"
# It is a part of stardraft (README.md beside it says what it was trained on).
BUILT_IN_LICENSE = "Apache-2.0"
