"""What outside systems say, before it is an event: facts, the profile of their source, and what becomes of them.

In come facts as a protocol's reader found them, with the ids, codes, units and times of their source. Out go input
events of pseudonymous patients, corrections that name what stands, and refusals with the place and the reason.
"""
