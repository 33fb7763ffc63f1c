"""The speed measurement says what it promises."""

import numpy as np

from nbnet_lib.faces.bench import _walk, bench, reference_seconds


def test_bench_reports_rates_beside_the_reference():
    result = bench(seconds=0, workers=2)
    for size in ("64", "112", "160"):
        row = result[size]
        assert row["images"] == 24  # two rounds of two people, six pictures each
        assert row["images_per_second"] > 0 and row["cpu_ms_per_image"] > 0
    assert result["reference_seconds"] > 0
    assert result["workers"] == 2


def test_the_reference_is_fixed_work():
    """The same steps from the same table end in the same number, and every step counts."""

    def end(steps: int) -> float:
        return float(_walk(np.ones(1 << 10, np.float32), steps))

    assert end(5000) == end(5000)
    assert len({end(steps) for steps in (10, 100, 1000, 5000)}) == 4
    assert reference_seconds(1) > 0
