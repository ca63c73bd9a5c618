"""The console's door: whom it lets in, what each may do and see, and what keeps other sites out.

In comes every request and socket, with a session's cookie, a token or neither. Out goes a visitor whom the routes may
ask what is allowed, the ward as that visitor may see it, or a refusal that says why.
"""
