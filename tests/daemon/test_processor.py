"""What a processor is called: as Linux tells it of each maker, and of machines that do not say."""

import pytest

from stardraftd.processor import (
    cpuinfo_fields,
    machine,
    named_by_linux,
    named_by_lscpu,
    numbered_by_linux,
    processor_name,
)

INTEL = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
stepping\t: 8

processor\t: 1
model name\t: another
"""
AMD = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t: 17\nmodel name\t: AMD  EPYC 9B14 \n"
HIDDEN = INTEL.replace("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", "unknown")
ARM = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\n"
POWER = "processor\t: 0\ncpu\t\t: POWER9, altivec supported\nmodel\t\t: 8335-GTW\n"
RISC_V = "processor\t: 0\nisa\t\t: rv64imafdc\nuarch\t\t: sifive,u74-mc\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (INTEL, "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"),
        (AMD, "AMD EPYC 9B14"),
        (POWER, "POWER9, altivec supported"),
        (RISC_V, "sifive,u74-mc"),
        (HIDDEN, ""),
        (ARM, ""),
        ("", ""),
    ],
)
def test_the_kernels_name_is_taken_where_it_is_one(text: str, name: str) -> None:
    assert named_by_linux(cpuinfo_fields(text)) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HIDDEN, "GenuineIntel family 6 model 143"),
        (ARM, "ARM part 0xd0c"),
        (ARM.replace("0x41", "0x99"), "implementer 0x99 part 0xd0c"),
        (ARM.replace("0x41", "odd"), ""),
        ("", ""),
    ],
)
def test_without_a_name_it_goes_by_its_numbers(text: str, name: str) -> None:
    assert numbered_by_linux(cpuinfo_fields(text)) == name


def test_lscpu_knows_arms_parts_and_says_when_it_does_not() -> None:
    assert named_by_lscpu("Architecture:   aarch64\nModel name:     Neoverse-N1\nModel: 1\n") == "Neoverse-N1"
    assert named_by_lscpu("Architecture: aarch64\nModel name: -\n") == ""
    assert named_by_lscpu("Model name: unknown\n") == ""


def test_this_computers_processor_has_a_name() -> None:
    name = processor_name()
    assert name not in ("", "unknown processor", "x86_64", "arm")
    assert machine().endswith(f", {name}")
