"""SQL92 filters beside the reference's own parser: rocketmq-filter, as published.

RAMJET_SQL_CASES  how many cases (default 50000); RAMJET_SQL_SEED which
"""

import itertools
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import servers
import sql_cases

CASES = int(os.environ.get("RAMJET_SQL_CASES", "50000"))
SEED = int(os.environ.get("RAMJET_SQL_SEED", "1"))
BLOCK = 50000
REFUSED = "R"


@pytest.fixture(scope="module")
def reference_command(tmp_path_factory):
    """The program that asks the reference, compiled."""
    reason = servers.unavailable("rocketmq-5.3.3")
    if reason:
        pytest.skip(reason)
    classes = tmp_path_factory.mktemp("classes")
    path = "%s/*" % servers.reference_jars("5.3.3")
    source = Path(__file__).parent / "java/SqlVerdicts.java"
    subprocess.run(["javac", "-cp", path, "-d", str(classes), str(source)], check=True)
    return ["java", "-Xss2m", "-XX:+UseSerialGC", "-cp", "%s:%s" % (classes, path), "SqlVerdicts"]


def verdicts(command, data):
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().split("\n")[:-1]


def compare(cases, reference_command):
    """Differences, and how often each verdict came."""
    ours_command = [str(servers.ramjet_binary().parent / "tests/compat/compat_sql_verdicts")]
    data = b"".join(map(sql_cases.encode, cases))
    ours, theirs = verdicts(ours_command, data), verdicts(reference_command, data)
    assert len(ours) == len(theirs) == len(cases)
    differences = [(case, our, their) for case, our, their in zip(cases, ours, theirs) if our[0] != their[0]]
    return differences, Counter(our[0] for our in ours)


def test_verdicts_are_the_references(reference_command):
    """Goal: of any expression the verdict is the reference's: true, false, null, fails, or refused.
    Method: random cases, both programs. Each verdict must have come often, or the cases show little."""
    source = iter(sql_cases.Cases(SEED))
    seen = Counter()
    for begin in range(0, CASES, BLOCK):
        cases = list(itertools.islice(source, min(BLOCK, CASES - begin)))
        differences, counts = compare(cases, reference_command)
        assert not differences, "\n".join("%r %r: %s, the reference %s" % (*case, our, their)
                                          for case, our, their in differences[:20])
        seen += counts
    print("cases by verdict:", dict(seen))
    assert all(seen[verdict] > CASES // 100 for verdict in "TFNER"), seen
