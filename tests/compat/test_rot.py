"""One flipped bit, cut file or missing file in a directory that the reference's broker left at SIGKILL.

What is damaged, and what is asked of each case: tests/crash/test_flip.py, which also runs many more of them.
"""

import signal
import sys
from pathlib import Path

from store_files import expect_known_files

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "crash"))
from test_flip import CUTS, FLIPS, flip, make_store  # noqa: E402


def test_one_damage_in_a_directory_of_the_reference(name_server, tmp_path):
    """Goal: whatever one damage does to a directory that the reference left, no wrong byte is served and nothing else is lost."""
    store = make_store("rocketmq-5.3.3", signal.SIGKILL, name_server, tmp_path / "broker")
    expect_known_files(store)
    flip(store, tmp_path / "kept", FLIPS, CUTS, True)
