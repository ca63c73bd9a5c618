"""Who holds a partition, and whose rows count.

A worker that was frozen and woken holds partitions that another has taken over; what it still writes must never be
taken for the newest. In come answers of the broker to a worker's heartbeats, and the rows of a changelog as they stand
in it. Out go permission to write, and for each patient the row of the newest holder.
"""
