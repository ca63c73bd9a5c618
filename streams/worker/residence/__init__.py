"""Which twins are in memory, and how they leave it without a trace.

A patient who says nothing must cost a worker nothing but a row. In come patients' queues with what they have handled.
Out go rows that hold all of it, after their outputs and before their alerts, and twins that leave memory for them.
"""
