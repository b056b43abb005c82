"""What a processor's speed depends on is read from what the system says."""

from pathlib import Path

from songloom.machine import Processor, read_processor

XEON = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Processor
flags\t\t: fpu sse4_2 avx avx2 avx512f amx_bf16 amx_tile

processor\t: 1
model name\t: another
"""


def test_a_processor_is_described(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(XEON)
    found = read_processor(tmp_path / "cpuinfo")
    assert found.name == "Intel(R) Xeon(R) Processor, cpu family 6, model 143"
    assert found.instruction_sets == ("AVX2", "AVX-512", "AMX")
    assert found.cores >= 1
    assert str(Processor("A", 2, ("AVX2", "AMX"))) == "A, AVX2 AMX, 2 cores"


def test_a_system_that_describes_nothing_has_a_name_all_the_same(tmp_path: Path) -> None:
    found = read_processor(tmp_path / "nothing")
    assert found.name
    assert found.instruction_sets == ()
    assert str(Processor("A", 1, ())) == "A, 1 cores"
