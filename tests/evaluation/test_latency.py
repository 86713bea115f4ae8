from container_doors.evaluation.latency import latency


def test_the_95th_percentile_is_one_of_the_timings():
    """Of 1 to 20 ms, 19 is the smallest that 95 % (19 of 20) do not exceed."""
    found = latency([float(ms) for ms in range(20, 0, -1)], method="a watch")

    assert found is not None
    assert (found.median_ms, found.p95_ms, found.images) == (10.5, 19.0, 20)


def test_without_timings_there_is_no_latency():
    assert latency([], method="a watch") is None
