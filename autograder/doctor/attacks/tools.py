"""What attacks share: the targets that the test names, and a way to say how each attempt ended."""

FACTS = {}


def attempt(name, action):
    """Try `action` and print how it ended; the host reads that from what the submission printed."""
    if FACTS.get("only", name) != name:
        return
    try:
        print(f"<{name}> got {action()!r:.300}")
    except BaseException as error:
        print(f"<{name}> {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
