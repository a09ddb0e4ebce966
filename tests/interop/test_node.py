"""The Node client ali-ons on Ramjet; the client is node/job.js."""

import shutil
import subprocess
from pathlib import Path

import servers

MESSAGES = 400
NODE_DIR = Path(__file__).parent / "node"


def installed_job():
    """A copy of node/ with its packages, so that the tree stays as it is."""
    home = servers.cache_dir() / "interop" / "node"
    shutil.copytree(NODE_DIR, home, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=home,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return home / "job.js"


def test_red_messages_arrive(colours, need):
    need("node", "npm")
    colours(["node", str(installed_job())], MESSAGES)
