"""Ramjet and the reference's broker on one store directory, and in one cluster."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
