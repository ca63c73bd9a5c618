"""Work spread over machines: a cluster of Dask takes the tasks, and gives what this process would have made of them.

In come the address of a scheduler and tasks. Out go their results, or why there are none, in words with the mend.
"""
