"""Every column name of the dataset folder, spelled once."""

USER_ID = "user_id"
ITEM_ID = "item_id"
TIME = "time"
EVENT = "event"
EVENT_ID = "event_id"
VALUE = "value"
SESSION_ID = "session_id"

TITLE = "title"
TEXT = "text"
TOPICS = "topics"
AVAILABLE_FROM = "available_from"

HEAD = "head"
RELATION = "relation"
TAIL = "tail"

FRIEND_ID = "friend_id"

NAME = "name"
KNOWN_AT = "known_at"
KNOWN_FROM = "known_from"
START = "start"
END = "end"
KIND = "kind"

SLATE_ID = "slate_id"
POSITION = "position"
PROPENSITY = "propensity"
REWARD = "reward"

TOPIC_SEPARATOR = "|"
"""Topics are split on the vertical bar alone."""
