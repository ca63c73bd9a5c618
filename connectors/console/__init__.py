"""The ward on a web page.

In come the output topics. Out go a page for the ward and one for each patient, live over a socket.
"""
