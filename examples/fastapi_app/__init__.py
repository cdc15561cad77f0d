"""Larkmoor: a small site with sign-up, sign-in and password reset on a user pool.

application.py   puts it together
sign_up.py, sign_in.py, reset.py, account.py, inbox.py   the pages, a file for each errand
desk.py          what the pages work with: the visitor, the notes between two pages, the templates
stores.py, submissions.py   what the site remembers, and for how long
notes.py, fields.py   what visitors are told, and what they may type
protection.py    headers, and the size of what is sent
"""
