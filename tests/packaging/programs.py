"""The programs in packaging/ as modules, for tests that call their functions."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[2] / "packaging"


def load(name: str) -> ModuleType:
    """packaging/NAME.py. The folder is no package, for a package of that name comes from elsewhere."""
    spec = importlib.util.spec_from_file_location(f"stardraft_packaging_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
