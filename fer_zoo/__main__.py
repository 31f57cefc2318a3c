"""`python -m fer_zoo` is `fer-zoo`."""

import sys

from fer_zoo.cli import main

sys.exit(main())
