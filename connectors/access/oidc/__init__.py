"""Log-in through a provider of identities: OpenID Connect Core 1.0, code and PKCE, with both ways to log out.

In come settings, what a provider says of itself, and its signed tokens. Out goes a holder with a role and a group of
patients, whose session the doorkeeper keeps, or a refusal of a kind that pages have words for.
"""
