"""Commands of the running system: servers, topics, worker, and what goes in and out of the stream.

In come settings and names. Out goes what each part says while it runs, and how it ended.
"""
