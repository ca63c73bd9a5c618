"""What the doctor looks at beyond this machine's programs and servers: readers of topics, and sources of facts.

In come settings, the broker's word on who has read how far, and the folders of the ways in. Out go findings, each with
its mend.
"""
