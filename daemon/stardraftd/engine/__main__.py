"""`python -m stardraftd.engine`: the engine process. The daemon starts it; people do not."""

import sys

from stardraftd.engine.worker import main

sys.exit(main())
