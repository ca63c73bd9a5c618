"""What people do and ask on the page, and programs through it.

In come requests of a browser, guarded against other sites. Out go events for the topics: what somebody did about an
alert, and what somebody asks a twin. None of them reaches a device.
"""
