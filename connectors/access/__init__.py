"""Who may look at the ward and act on it: roles, accounts, tokens, sessions, and the waits of those who guess.

In come names with passwords, ids of sessions and tokens, of which only hashes are kept. Out goes who it is, with a role
and a group of patients, or nobody; what a role may do stands in one table.
"""
