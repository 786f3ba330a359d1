import subprocess
import sys

import pytest

MEBIBYTE = 1 << 20
KEEPS_ONE_OF_TWENTY = """
import os
from servelab.load import allocator

allocator.give_large_blocks_back()
# The first large block that is freed is what makes the C library change its ways.
block = bytearray(8 << 20); del block
blocks = [bytearray(b"x") * (4 << 20) for _ in range(20)]
del blocks[:-1]
print(int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE"))
"""


@pytest.mark.live
def test_large_blocks_that_are_freed_are_the_kernels_again_whatever_lies_behind_them() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", KEEPS_ONE_OF_TWENTY], capture_output=True, text=True, check=True
    ).stdout
    # Twenty of them are 80 MiB; Python itself and one take less than half of that.
    assert int(printed) < 40 * MEBIBYTE
