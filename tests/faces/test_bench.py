"""The speed measurement says what it promises."""

from nbnet_lib.faces.bench import bench, reference_seconds


def test_bench_reports_rates_beside_the_reference():
    result = bench(seconds=0, workers=2)
    for size in ("64", "112", "160"):
        row = result[size]
        assert row["images"] == 24  # two rounds of two people, six pictures each
        assert row["images_per_second"] > 0 and row["cpu_ms_per_image"] > 0
    assert result["reference_seconds"] > 0
    assert result["workers"] == 2


def test_the_reference_is_fixed_work():
    once, again = sorted(reference_seconds(1) for _ in range(2))
    assert again < 20 * once  # the clock may be disturbed, the work is the same
