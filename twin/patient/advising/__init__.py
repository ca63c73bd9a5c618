"""Advice along a patient's record: when there is a cause for it, and what was answered.

In come the record, what is believed at each cause and an adviser, who knows the protocols. Out go `advice` events and
what rules may know of them. Advice is worked out beside the fold: asking moves no belief.
"""
