"""The Node client ali-ons on Ramjet; the client is node/job.js."""

import shutil
import subprocess
from pathlib import Path

import servers

MESSAGES = 400
NODE_DIR = Path(__file__).parent / "node"


def install(home):
    """Puts a copy of node/ with its packages there, so that the tree stays as it is."""
    shutil.copytree(NODE_DIR, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=home,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def installed_job():
    inputs = [NODE_DIR / name for name in ("job.js", "package.json", "package-lock.json")]
    return servers.kept("node", inputs, install) / "job.js"


def test_red_messages_arrive(colours, need):
    need("node", "npm")
    colours(["node", str(installed_job())], MESSAGES)
