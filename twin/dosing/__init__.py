"""What may be done next for a patient, each way with its odds: what-if, dose advice and the next sample.

In comes what a twin believes at one instant, a plan and a protocol. Out go forecasts of branches and the odds of
doses. Nothing here is folded, and nothing here is an order: a person decides.
"""
