"""What the page says, in tables."""

from typing import Final

TITLES: Final = {
    "confirm": "New passwords, set with codes",
    "forgot": "Codes for forgotten passwords",
    "reset": "Password resets",
    "set-password temporary": "Temporary passwords",
    "set-password permanent": "New passwords",
    "sign-out": "Sign-outs everywhere",
}
DEEDS: Final = {
    "confirm": "Each user gets a new password, with the code that the user was sent.",
    "forgot": "Each user is sent a code to set a new password with.",
    "reset": "Each user's password becomes invalid, and the user is sent a code to set a new one with.",
    "set-password temporary": "Each user gets a password that has to be changed at the next sign-in.",
    "set-password permanent": "Each user gets a new password to keep.",
    "sign-out": "All sessions of each user are ended.",
}
ENDINGS: Final = {
    "finished": ("Finished", "Nothing is left to do.", "finished"),
    "stopped": ("Paused", "It was told to stop. Resume it to go on where it was.", "told to stop"),
    "deferred": ("Paused", "What is left can only be tried later.", "the rest is for later"),
    "e-mail limit": (
        "Paused",
        "The account's e-mail for the day is used up. Resume it when there is more.",
        "no e-mail left",
    ),
    "too many errors": (
        "Stopped",
        "Row after row went wrong, or the service refused the job itself. See below what to do.",
        "too many errors",
    ),
    "no service": (
        "Stopped",
        "The service could not be reached, or throttled for too long. Resume it later.",
        "no service",
    ),
    "cancelled": ("Stopped", "It was cut short. Resume it to go on where it was.", "cut short"),
}
"""What the last run's ending means: in a word, in a sentence, and beside other runs."""
OPEN: Final = {
    True: ("Running", "It is still at work.", "running"),
    False: ("Stopped", "It was killed. Resume it to go on where it was.", "killed"),
    None: ("Not ended", "It is still running, or was killed. If it was killed, resume it.", "running, or killed"),
}
"""The same for a run whose end nobody noted, by whether the job is running."""
NOT_BEGUN: Final = ("Not begun", "No run has begun yet, and nothing was sent.", "")
FIGURES: Final = (
    ("done", "Done", "The service did it."),
    ("refused", "Refused", "It can't be done as it stands."),
    ("unknown", "Unknown", "Nobody can tell whether it was done."),
    ("waiting", "Waiting", "Not settled yet."),
)
WORDS: Final = (
    ("Done", "The service said that it was done."),
    (
        "Refused",
        "The service said no, or the row broke a rule before anything was sent. As a rule nothing was changed.",
    ),
    (
        "Unknown",
        "The answer got lost, so it may or may not have been done, and asking again would not tell or would do harm.",
    ),
    ("Waiting", "Nothing was sent yet, it is on its way, or it is tried again later."),
    ("Rows a second", "Rows that were sent for and then settled. A row can take more than one request."),
    ("Quota", "The requests a second that the job kept to when the run began. AWS counts them by account and region."),
    ("Idle", "A long time in which nothing was settled. It is left out of the chart and of the average."),
)
HIDDEN_USERS: Final = (
    "An app client that hides which users exist reports success for users who do not exist; such rows count as done."
)
